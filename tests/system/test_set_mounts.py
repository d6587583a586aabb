# SPDX-License-Identifier: Apache-2.0
"""pila set: mounts of a container that runs."""
import pytest
from lib.engines import wait_until
from lib.live_edit import echo, pila, settings, web  # noqa: F401

pytestmark = pytest.mark.only_pila("an endpoint and a verb of pila's own")


def test_what_was_unmounted_in_vain_is_what_it_was(web):
    web.docker("run", "-d", "--name", "other", "-p", "18099:80", "busybox", "sleep", "1000")
    web.set("--tmpfs", "/kept:size=1m", "-v", "data:/kept/data", "web")
    web.inside("echo text > /kept/file; echo text > /kept/data/file")
    before = settings(web.inspect())
    assert "already allocated" in web.refuses("--unmount", "/kept", "--unmount", "/kept/data", "-p", "18099:81", "web")
    assert settings(web.inspect()) == before
    assert web.inside("cat /kept/file /kept/data/file") == "text\ntext"
    assert web.inside("grep -c kept /proc/self/mountinfo") == "2"


def test_a_read_only_container(pila, tmp_path):
    (tmp_path / "file").write_text("text")
    pila.docker("run", "-d", "--name", "web", "--read-only", "busybox", "sleep", "1000")
    pila.set("-v", f"{tmp_path}:/new/host", "-v", f"{tmp_path}/file:/other/file:ro", "--tmpfs", "/scratch", "web")
    assert pila.inside("cat /new/host/file /other/file; touch /scratch/made") == "texttext"
    assert "Read-only" in pila.docker.run("exec", "web", "touch", "/new/made", check=False).stderr


def test_a_volume_appears(web):
    web.docker("run", "--rm", "-v", "data:/data", "busybox", "sh", "-c", "echo precious > /data/file")
    web.set("-v", "data:/deep/er/data", "web")
    assert web.inside("cat /deep/er/data/file") == "precious"
    web.inside("echo more > /deep/er/data/more")
    assert [(mount["Name"], mount["Destination"]) for mount in web.inspect()["Mounts"]] == [("data", "/deep/er/data")]
    assert web.docker.run("volume", "rm", "data", check=False).returncode == 1, "it is in use"
    web.set("--unmount", "/deep/er/data/", "web")
    assert web.inside("ls /deep/er/data") == "" and web.inspect()["Mounts"] == []
    assert not web.inspect()["HostConfig"]["Binds"]
    assert web.docker("run", "--rm", "-v", "data:/data", "busybox", "cat", "/data/more") == "more"
    web.docker("volume", "rm", "data")


def test_an_empty_volume_takes_over_what_the_image_has(web):
    web.set("-v", "fresh:/var/www", "web")
    assert web.inside("ls /var/www") == web.docker("run", "--rm", "busybox", "ls", "/var/www") != ""
    web.set("-v", "/anonymous", "web")
    assert web.is_mounted("/anonymous")


def test_every_kind_of_mount(web, tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "inner").mkdir()
    web.set("-v", f"{tmp_path}:/rw", "-v", f"{tmp_path}:/ro:ro", "-v", f"{tmp_path}/file:/one/file", "--tmpfs", "/small:size=64k,mode=700",
            "--mount", "type=tmpfs,target=/ro2,readonly", "--mount", "type=image,source=pila/layers,target=/image",
            "--mount", f"type=bind,source={tmp_path}/inner,target=/rw/inner", "web")
    assert web.inside("cat /one/file /rw/file") == "texttext"
    web.inside("touch /rw/made /rw/inner/made")
    assert (tmp_path / "made").exists() and (tmp_path / "inner/made").exists()
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/ro/made", check=False).stderr
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/ro2/made", check=False).stderr
    assert "Read-only" in web.docker.run("exec", "web", "touch", "/image/made", check=False).stderr
    assert web.inside("ls /image") != ""
    assert web.inside("stat -c %a /small; df -k /small | tail -1 | awk '{print $2}'").split() == ["700", "64"]
    assert "is mounted below" in web.refuses("--unmount", "/rw", "web")
    web.docker("cp", "web:/rw/file", tmp_path / "copied")
    assert (tmp_path / "copied").read_text() == "text"
    web.set(*(word for path in ("/rw", "/rw/inner", "/ro", "/one/file", "/small", "/ro2", "/image") for word in ("--unmount", path)), "web")
    assert web.inspect()["Mounts"] == [] and " /rw" not in web.inside("cat /proc/self/mountinfo")
    assert (tmp_path / "inner/made").exists()


def test_where_nothing_may_be_mounted(web, tmp_path):
    web.inside("ln -s /proc /link; ln -s /sys/kernel /syslink; mkdir /real; ln -s /real /inside")
    for target in ("/", "/proc", "/proc/sys", "/proc/1", "/sys", "/sys/fs", "/link", "/link/1", "/syslink"):
        before = web.inside("cat /proc/self/mountinfo")
        web.refuses("-v", f"{tmp_path}:{target}", "web")
        assert web.inside("cat /proc/self/mountinfo") == before, target
    assert "Duplicate" in web.refuses("--tmpfs", "/twice", "-v", f"{tmp_path}:/twice/", "web")
    web.set("--tmpfs", "/once", "web")
    assert "Duplicate" in web.refuses("-v", f"{tmp_path}:/once", "web")
    # A link of the container's leads where it leads inside, not on the host.
    (tmp_path / "file").write_text("text")
    web.set("-v", f"{tmp_path}:/inside", "web")
    assert web.inside("cat /real/file") == "text"
    web.set("--unmount", "/inside", "web")
    assert web.inside("ls /real") == ""


def test_a_link_does_not_lead_an_unmount_astray(web, tmp_path):
    """A container exchanges the directory above a mount for a link to /proc, where names are masked."""
    (tmp_path / "file").write_text("text")
    places = [line.split()[4] for line in web.inside("cat /proc/self/mountinfo").splitlines()]
    masked = next(place for place in places if place.startswith("/proc/") and place.count("/") == 2)
    name = masked.rsplit("/")[-1]
    is_directory = web.docker.run("exec", "web", "test", "-d", masked, check=False).returncode == 0
    web.set("-v", f"{tmp_path}{'' if is_directory else '/file'}:/up/{name}", "web")
    web.inside("mv /up /moved; ln -s /proc /up")
    for force in ([], ["--force"]):
        web.refuses("--unmount", f"/up/{name}", *force, "web")
        assert web.is_mounted(masked) and web.is_mounted(f"/moved/{name}")
    web.inside("rm /up; mv /moved /up")
    web.set("--unmount", f"/up/{name}", "web")
    assert not web.is_mounted(f"/up/{name}")


def test_what_is_in_use(web, tmp_path):
    (tmp_path / "file").write_text("text")
    web.set("-v", f"{tmp_path}:/busy", "web")
    web.docker("exec", "-d", "web", "sh", "-c", "cd /busy; exec sleep 1000")
    wait_until(lambda: "/busy" in web.inside("ls -l /proc/[0-9]*/cwd"), "somebody is there")
    before = settings(web.inspect())
    error = web.refuses("--unmount", "/busy", "-p", "18081:81", "web")
    assert "/busy is in use" in error and "force" in error
    assert settings(web.inspect()) == before and web.inside("cat /busy/file") == "text"
    web.set("--unmount", "/busy", "--force", "web")
    assert web.inside("ls /busy") == "" and web.inspect()["Mounts"] == []


def test_a_mount_above_another_one(web, tmp_path):
    (tmp_path / "file").write_text("above")
    web.set("-v", "data:/up/below", "web")
    web.inside("echo text > /up/below/file")
    error = web.refuses("-v", f"{tmp_path}:/up", "web")
    assert "/up/below is mounted below it" in error and "unmount /up/below and mount it again in the same request" in error
    # What it says works.
    web.set("--unmount", "/up/below", "-v", f"{tmp_path}:/up", "-v", "data:/up/below", "web")
    assert web.inside("cat /up/file /up/below/file") == "abovetext"
    web.docker("restart", "-t", "0", "web")
    assert web.inside("cat /up/file /up/below/file") == "abovetext"
    assert "/up/below is mounted below it; unmount that as well" in web.refuses("--unmount", "/up", "web")
