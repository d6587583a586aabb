// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes.h"

#include <sys/mount.h>
#include <unistd.h>
#include <algorithm>
#include <cctype>
#include <cerrno>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/json_reader.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/volume_driver.h"
#include "os/file.h"

namespace pila::engine {

static constexpr std::string_view removed_prefix = "removed-volume/";  // its directory may still be there
static constexpr std::string_view trash_prefix = ".trash-";            // no name of a volume begins so

static json::object object_of(const std::map<std::string, std::string>& map) {
    json::object object;
    for (const auto& [key, value] : map) object[key] = value;
    return object;
}

static Result<void> check_name(std::string_view name) {
    auto allowed = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    };
    if (name.size() >= 2 && name.size() <= 255 && std::isalnum(static_cast<unsigned char>(name[0])) != 0 &&
        std::all_of(name.begin(), name.end(), allowed))
        return {};
    if (name.size() == 1 && std::isalnum(static_cast<unsigned char>(name[0])) != 0)
        return Error(Errc::Invalid, "volume name is too short, names should be at least two alphanumeric characters");
    return Error(Errc::Invalid,
                 fmt::format("\"{0}\" includes invalid characters for a local volume name, only "
                             "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
                             "absolute path",
                             name.substr(0, 300)));
}

Result<void> Volumes::load() {
    TRY(os::make_directories(directory_, 0701));
    TRY(finish_removals());
    for (const auto& entry : TRY(store_.range("volume/"))) {
        auto value = TRY(parse_json(entry.value));
        if (!value.is_object()) continue;
        JsonReader in(value.get_object());
        Volume volume;
        volume.name = entry.key.substr(7);
        volume.mountpoint = directory_ + "/" + volume.name + "/_data";
        volume.created = {in.integer("created")};
        volume.labels = in.string_map("labels");
        volume.options = in.string_map("options");
        volume.anonymous = in.boolean("anonymous");
        if (!os::exists(volume.mountpoint)) TRY(make_data(volume.mountpoint));
        Lock lock(mutex_);
        volumes_[volume.name] = std::move(volume);
    }
    return {};
}

// Of removals that the daemon's end cut short. What nothing is noted of stays: it may be somebody's only copy.
Result<void> Volumes::finish_removals() {
    std::vector<store::Change> changes;
    for (const auto& entry : TRY(store_.range(removed_prefix))) {
        TRY(os::remove_tree(directory_ + "/" + entry.key.substr(removed_prefix.size())));
        changes.push_back({entry.key, {}, {}});
    }
    if (!changes.empty()) TRY(store_.transact(changes));
    for (const auto& name : TRY(os::list_directory(directory_)))
        if (name.starts_with(trash_prefix)) TRY(os::remove_tree(directory_ + "/" + name));
    return {};
}

// With remapped users it belongs to the containers' root, as with Docker.
Result<void> Volumes::make_data(const std::string& mountpoint) const {
    TRY(os::make_directories(mountpoint, 0755));
    if (!ids_.empty() && ::chown(mountpoint.c_str(), os::to_outside(ids_.users, 0).value_or(os::overflow_id),
                                 os::to_outside(ids_.groups, 0).value_or(os::overflow_id)) < 0)
        return Error::from_errno(errno, "chown " + mountpoint);
    return {};
}

Result<Volume> Volumes::create(std::string name, std::map<std::string, std::string> labels,
                               std::map<std::string, std::string> options) {
    Volume volume;
    volume.anonymous = name.empty();
    if (name.empty()) name = random_hex(64);
    auto checked = check_name(name);
    if (checked) checked = check_driver_options(options);
    if (!checked)
        return Error(Errc::Invalid, fmt::format("create {}: {}", name.substr(0, 300), checked.error().message()));
    Lock lock(mutex_);  // held over the mkdir: two creators of one name must meet
    if (auto found = volumes_.find(name); found != volumes_.end()) return found->second;
    volume.name = name;
    volume.mountpoint = directory_ + "/" + name + "/_data";
    volume.created = now_wall();
    volume.labels = std::move(labels);
    volume.options = std::move(options);
    json::object record{{"created", volume.created.nanoseconds},
                        {"labels", object_of(volume.labels)},
                        {"options", object_of(volume.options)},
                        {"anonymous", volume.anonymous}};
    TRY(store_.put("volume/" + name, to_json(record)));
    PILA_FAILPOINT("engine.volume.created");
    // After the record: a directory that nothing tells of would stay for ever. load() makes what the daemon's end left
    // out.
    if (auto made = make_data(volume.mountpoint); !made) {
        ignore(store_.remove("volume/" + name), "it would come back empty");
        return made.take_error();
    }
    volumes_[name] = volume;
    return volume;
}

Result<Volume> Volumes::find(std::string_view name) const {
    Lock lock(mutex_);
    auto found = volumes_.find(name);
    if (found == volumes_.end()) return Error(Errc::NotFound, fmt::format("get {}: no such volume", name));
    return found->second;
}

std::vector<Volume> Volumes::list() const {
    std::vector<Volume> all;
    Lock lock(mutex_);
    for (const auto& [name, volume] : volumes_) all.push_back(volume);
    return all;
}

Result<void> Volumes::use(const std::string& name, const std::string& user) {
    auto volume = TRY(find(name));
    if (!is_mounted_volume(volume.options)) return {};
    Lock lock(mounts_);
    auto& users = users_[name];
    if (users.empty() && !is_mount_point(volume.mountpoint)) TRY(mount_volume(volume.options, volume.mountpoint));
    users.insert(user);
    return {};
}

void Volumes::release(const std::string& name, const std::string& user) {
    Lock lock(mounts_);
    auto found = users_.find(name);
    if (found == users_.end() || found->second.erase(user) == 0 || !found->second.empty()) return;
    users_.erase(found);
    ::umount2((directory_ + "/" + name + "/_data").c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

void Volumes::release_unused() {
    for (const auto& volume : list()) {
        if (!is_mounted_volume(volume.options)) continue;
        Lock lock(mounts_);
        if (!users_.contains(volume.name) && is_mount_point(volume.mountpoint))
            ::umount2(volume.mountpoint.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    }
}

Result<void> Volumes::remove(std::string_view name) {
    // Out of the way under the lock: the next volume of that name must not meet what is being deleted.
    auto trash = directory_ + "/" + std::string(trash_prefix) + random_hex(16);
    {
        Lock lock(mutex_);
        auto found = volumes_.find(name);
        if (found == volumes_.end()) return Error(Errc::NotFound, fmt::format("get {}: no such volume", name));
        auto removed = std::string(removed_prefix) + std::string(name);
        TRY(store_.transact({{"volume/" + std::string(name), {}, {}}, {removed, "", {}}}));
        PILA_FAILPOINT("engine.volume.removed");
        auto moved = os::rename(directory_ + "/" + std::string(name), trash);
        volumes_.erase(found);
        if (!moved && moved.error().code() != Errc::NotFound) return moved;
        TRY(store_.remove(removed));
    }
    return os::remove_tree(trash);
}

}  // namespace pila::engine
