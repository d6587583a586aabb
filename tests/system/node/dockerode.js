// SPDX-License-Identifier: Apache-2.0
// What dockerode offers, each method at least once. DOCKER_HOST names the server, REGISTRY a registry that may be
// pushed to ("" where there is none).
const assert = require('node:assert/strict');
const { PassThrough } = require('node:stream');
const Docker = require('dockerode');
const { test, run, until, all, sleep, tar, untar } = require('./harness');

const docker = new Docker();
const registry = process.env.REGISTRY || '';
const forDays = ['sleep', '100000'];

async function started(options = {}) {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: forDays, StopTimeout: 0, ...options });
  await container.start();
  return container;
}

async function refused(promise, status, text) {
  const error = await promise.then(() => assert.fail('was not refused'), (failure) => failure);
  assert.ok([status].flat().includes(error.statusCode), String(error));
  if (text) assert.match(error.message, text);
  return error;
}

// Both streams of a multiplexed one, complete.
async function demuxed(stream) {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  stream.on('close', () => { out.end(); err.end(); });
  const [output, error] = await Promise.all([all(out), all(err)]);
  return { output: String(output), error: String(error) };
}

const progress = (stream, seen = () => {}) =>
  new Promise((done, failed) =>
    docker.modem.followProgress(stream, (error, steps) => (error ? failed(error) : done(steps)), seen));

async function cleanup() {
  for (const { Id } of await docker.listContainers({ all: true })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id, Name } of await docker.listNetworks()) {
    if (!['bridge', 'host', 'none'].includes(Name)) await docker.getNetwork(Id).remove();
  }
  for (const { Name } of (await docker.listVolumes()).Volumes || []) await docker.getVolume(Name).remove();
  for (const { RepoTags } of await docker.listImages()) {
    for (const tag of RepoTags || []) {
      if (tag.startsWith('node/') || (registry && tag.startsWith(registry))) await docker.getImage(tag).remove({ force: true });
    }
  }
}

// --- the server ---------------------------------------------------------------------------------------------------

test('ping, version, info, df', async () => {
  assert.equal(String(await docker.ping()), 'OK');
  const version = await docker.version();
  assert.equal(version.Os, 'linux');
  assert.ok(version.Components.length > 0 && version.ApiVersion >= '1.41');
  const info = await docker.info();
  assert.equal(info.OSType, 'linux');
  assert.ok(info.NCPU > 0 && info.MemTotal > 1e6);
  const container = await started();
  const usage = await docker.df();
  assert.ok(usage.Images.some((image) => (image.RepoTags || []).includes('busybox:latest')));
  assert.ok(usage.Containers.some(({ Id }) => Id === container.id));
  assert.ok(Array.isArray(usage.Volumes));
});

test('an older API version can be asked for', async () => {
  const old = new Docker({ version: 'v1.41' });
  assert.equal((await old.listImages()).length, (await docker.listImages()).length);
  const tooNew = new Docker({ version: 'v9.99' });
  await refused(tooNew.listImages(), 400, /client version 9\.99 is too new/);
});

test('events: a stream, filtered, and what was before', async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  const stream = await docker.getEvents({ filters: { type: ['container'], label: ['who=events'] } });
  const seen = [];
  stream.on('data', (chunk) => String(chunk).trim().split('\n').forEach((line) => seen.push(JSON.parse(line))));
  const container = await started({ Labels: { who: 'events' }, name: 'eventful' });
  await started({ Labels: { who: 'else' } });
  await container.kill();
  await container.wait();
  await container.remove();
  await until('the last event', () => seen.some(({ Action }) => Action === 'destroy'));
  stream.destroy();
  const actions = seen.map(({ Action }) => Action);
  assert.deepEqual(actions, ['create', 'start', 'kill', 'die', 'destroy']);
  assert.equal(seen[0].Actor.Attributes.name, 'eventful');
  assert.equal(seen[3].Actor.Attributes.exitCode, '137');
  const replay = await docker.getEvents({
    since, until: Math.floor(Date.now() / 1000) + 1, filters: JSON.stringify({ container: [container.id] }),
  });
  const again = String(await all(replay)).trim().split('\n').map((line) => JSON.parse(line).Action);
  assert.deepEqual(again, actions);
});

test('the callback form', async () => {
  const names = await new Promise((done, failed) =>
    docker.listImages({ filters: { reference: ['busybox'] } }, (error, images) =>
      error ? failed(error) : done(images.flatMap(({ RepoTags }) => RepoTags))));
  assert.ok(names.includes('busybox:latest'));
});

// --- containers ---------------------------------------------------------------------------------------------------

test('docker.run gives output and exit code', async () => {
  const out = new PassThrough();
  const err = new PassThrough();
  const [result, container] = await docker.run('busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'], [out, err],
    { Tty: false });
  assert.equal(result.StatusCode, 3);
  await container.remove();
  assert.equal(String(out.read()), 'out\n');
  assert.equal(String(err.read()), 'err\n');
});

test('life: create, start, stop, restart, kill, rename, pause, wait, remove', async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: forDays, name: 'lively', StopTimeout: 0 });
  assert.equal((await container.inspect()).State.Status, 'created');
  await container.start();
  await refused(container.start(), 304);
  const first = (await container.inspect()).State;
  assert.ok(first.Running && first.Pid > 0);
  await container.pause();
  assert.equal((await container.inspect()).State.Status, 'paused');
  await refused(container.pause(), 409, /already paused/);
  await container.unpause();
  await container.rename({ name: 'renamed' });
  assert.equal((await container.inspect()).Name, '/renamed');
  await container.restart({ t: 0 });
  assert.notEqual((await container.inspect()).State.Pid, first.Pid);
  await container.stop({ t: 0 });
  await refused(container.stop(), 304);
  assert.equal((await container.inspect()).State.ExitCode, 137);
  await container.start();
  const waiting = container.wait();
  await container.kill({ signal: 'SIGKILL' });
  assert.equal((await waiting).StatusCode, 137);
  await refused(container.kill(), 409, /is not running/);
  await container.remove();
  await refused(container.inspect(), 404, /No such container/);
});

test('wait for each condition', async () => {
  const container = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'exit 5'] });
  assert.equal((await container.wait({ condition: 'not-running' })).StatusCode, 0);
  const exit = container.wait({ condition: 'next-exit' });
  await sleep(100);
  await container.start();
  assert.equal((await exit).StatusCode, 5);
  const removed = container.wait({ condition: 'removed' });
  await sleep(100);
  await container.remove();
  assert.equal((await removed).StatusCode, 5);
  await refused(docker.getContainer('nosuch').wait(), 404);
});

test('list with filters', async () => {
  const one = await started({ name: 'one', Labels: { group: 'a', number: '1' } });
  const two = await docker.createContainer({ Image: 'busybox', name: 'two', Labels: { group: 'a' } });
  const ids = async (options) => (await docker.listContainers(options)).map(({ Id }) => Id).sort();
  assert.deepEqual(await ids(), [one.id]);
  assert.deepEqual(await ids({ all: true }), [one.id, two.id].sort());
  assert.deepEqual(await ids({ all: true, filters: { label: ['group=a', 'number'] } }), [one.id]);
  assert.deepEqual(await ids({ filters: { status: ['created'] } }), [two.id]);
  assert.deepEqual(await ids({ filters: { name: ['^/two$'] } }), [two.id].slice(0, 0));
  assert.deepEqual(await ids({ all: true, filters: { name: ['^/two$'] } }), [two.id]);
  assert.deepEqual(await ids({ limit: 1 }), [two.id]);
  const [sized] = await docker.listContainers({ size: true, filters: { id: [one.id] } });
  assert.ok(sized.SizeRootFs > 0);
  assert.equal(sized.Names[0], '/one');
  await refused(docker.listContainers({ filters: { nosuch: ['x'] } }), 400);
});

test('inspect: what was asked for comes back', async () => {
  const container = await docker.createContainer({
    Image: 'busybox', Hostname: 'host', Env: ['A=1'], WorkingDir: '/tmp', User: '7:8', ExposedPorts: { '80/tcp': {} },
    HostConfig: { Memory: 64 << 20, RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 }, Binds: ['vol:/data:ro'] },
  });
  const seen = await container.inspect({ size: true });
  assert.equal(seen.Config.Hostname, 'host');
  assert.ok(seen.Config.Env.includes('A=1'));
  assert.equal(seen.Config.User, '7:8');
  assert.equal(seen.HostConfig.Memory, 64 << 20);
  assert.deepEqual(seen.HostConfig.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 2 });
  assert.equal(seen.Mounts[0].Name, 'vol');
  assert.equal(seen.Mounts[0].RW, false);
  assert.ok(seen.SizeRootFs > 0);
});

test('attach before the start, both ways', async () => {
  const container = await docker.createContainer({
    Image: 'busybox', Cmd: ['sh', '-c', 'read a; echo got $a; echo bad >&2'], OpenStdin: true, StdinOnce: true,
    AttachStdin: true, AttachStdout: true, AttachStderr: true,
  });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  await container.start();
  stream.write('this\n');
  stream.end();
  assert.deepEqual(await demuxed(stream), { output: 'got this\n', error: 'bad\n' });
});

test('attach with a terminal: raw, resized, detached', async () => {
  const container = await started({ Cmd: ['sh'], Tty: true, OpenStdin: true });
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true, detachKeys: 'ctrl-a' });
  let text = '';
  stream.on('data', (chunk) => { text += chunk; });
  await container.resize({ h: 33, w: 99 });
  stream.write('stty size\n');
  await until('the size', () => text.includes('33 99'));
  const closed = new Promise((done) => stream.on('close', done).on('end', done));
  stream.write('\x01');
  await closed;
  assert.ok((await container.inspect()).State.Running);
});

test('attach with what was logged before', async () => {
  const container = await started({ Cmd: ['sh', '-c', 'echo before; sleep 1; echo after'] });
  await until('the first line', async () => String(await container.logs({ stdout: true })).includes('before'));
  const stream = await container.attach({ stream: true, logs: true, stdout: true });
  assert.equal((await demuxed(stream)).output, 'before\nafter\n');
});

test('logs: whole, followed, bounded', async () => {
  const container = await started({ Cmd: ['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.2; done; echo bad >&2'] });
  const followed = await demuxed(await container.logs({ follow: true, stdout: true, stderr: true }));
  assert.deepEqual(followed, { output: '1\n2\n3\n', error: 'bad\n' });
  const whole = await container.logs({ stdout: true });
  assert.ok(Buffer.isBuffer(whole));
  assert.equal(whole.filter((byte) => byte === 10).length, 3);
  const tail = await container.logs({ stdout: true, tail: 2, timestamps: true });
  assert.match(String(tail), /\d{4}-\d\d-\d\dT[0-9:.]+Z 3\n$/);
  assert.equal(String(await container.logs({ stdout: true, until: 1 })), '');
  assert.equal(String(await container.logs({ stdout: true, since: Math.floor(Date.now() / 1000) + 1000 })), '');
  await refused(container.logs({}), 400, /at least one stream/);
});

test('stats: one sample, and a stream', async () => {
  const container = await started();
  const one = await container.stats({ stream: false });
  assert.ok(one.memory_stats.usage > 0 && one.cpu_stats.cpu_usage.total_usage > 0);
  assert.ok(one.precpu_stats.system_cpu_usage > 0);
  const quick = await container.stats({ stream: false, 'one-shot': true });
  assert.ok(quick.read > '2020');
  const stream = await container.stats({ stream: true });
  let samples = '';
  stream.on('data', (chunk) => { samples += chunk; });
  await until('two samples', () => samples.trim().split('\n').length >= 2);
  stream.destroy();
  assert.equal(JSON.parse(samples.split('\n')[0]).id, container.id);
});

test('top, changes, update', async () => {
  const container = await started({ Cmd: ['sh', '-c', 'echo x > /made; rm /etc/group; exec sleep 100000'] });
  const top = await until('the last exec', async () => {
    const seen = await container.top({ ps_args: 'aux' });
    return seen.Processes[0].at(-1) === 'sleep 100000' && seen;
  });
  assert.ok(top.Titles.includes('COMMAND'));
  const changes = await container.changes();
  assert.ok(changes.some(({ Path, Kind }) => Path === '/made' && Kind === 1));
  assert.ok(changes.some(({ Path, Kind }) => Path === '/etc/group' && Kind === 2));
  await container.update({ Memory: 128 << 20, MemorySwap: -1, RestartPolicy: { Name: 'unless-stopped' } });
  const { HostConfig } = await container.inspect();
  assert.equal(HostConfig.Memory, 128 << 20);
  assert.equal(HostConfig.RestartPolicy.Name, 'unless-stopped');
});

test('archives: put, stat, get', async () => {
  const container = await started();
  await container.putArchive(tar({ 'a.txt': 'first', 'b.txt': 'second' }), { path: '/tmp' });
  const info = await container.infoArchive({ path: '/tmp/a.txt' });
  const header = info.headers ? info.headers['x-docker-container-path-stat'] : undefined;
  if (header) assert.equal(JSON.parse(Buffer.from(header, 'base64')).size, 5);
  const files = untar(await all(await container.getArchive({ path: '/tmp/b.txt' })));
  assert.deepEqual(files, { 'b.txt': 'second' });
  await refused(container.getArchive({ path: '/nosuch' }), 404);
  await refused(container.putArchive(tar({ x: '' }), { path: '/nosuch' }), 404);
});

test('export, commit, import', async () => {
  const container = await started({ Cmd: ['sh', '-c', 'echo x > /made; sleep 100000'] });
  await until('the file', async () => (await container.changes()).some(({ Path }) => Path === '/made'));
  const { Id } = await container.commit({
    repo: 'node/committed', tag: 'v1', comment: 'why', author: 'who', changes: 'CMD ["cat", "/made"]',
  });
  const image = await docker.getImage('node/committed:v1').inspect();
  assert.equal(image.Id, Id);
  assert.equal(image.Author, 'who');
  assert.deepEqual(image.Config.Cmd, ['cat', '/made']);
  const exported = await all(await container.export());
  assert.ok(exported.length > 500000);
  const { PassThrough: Pass } = require('node:stream');
  const archive = new Pass();
  archive.end(exported);
  const stream = await docker.importImage(archive, { repo: 'node/imported', tag: 'v1' });
  await progress(stream);
  const out = new PassThrough();
  const [result] = await docker.run('node/imported:v1', ['cat', '/made'], [out, new PassThrough()], { Tty: false });
  assert.equal(result.StatusCode, 0);
  assert.equal(String(out.read()), 'x\n');
});

test('checkpoints are refused', async () => {
  const container = await started();
  const error = await container.createCheckpoint({ checkpointId: 'one' }).then(() => null, (failure) => failure);
  assert.ok(error && error.statusCode >= 400, 'needs an experimental daemon');
  assert.ok(error.message.length > 20);
});

test('prune containers', async () => {
  const gone = await docker.createContainer({ Image: 'busybox', Labels: { prune: 'me' } });
  await docker.createContainer({ Image: 'busybox', name: 'stays' });
  const result = await docker.pruneContainers({ filters: { label: ['prune=me'] } });
  assert.deepEqual(result.ContainersDeleted, [gone.id]);
  assert.equal(result.SpaceReclaimed, 0);
  await docker.getContainer('stays').inspect();
});

// --- exec ---------------------------------------------------------------------------------------------------------

test('exec: streams, environment, directory, user, exit code', async () => {
  const container = await started();
  const exec = await container.exec({
    Cmd: ['sh', '-c', 'echo $A; pwd; id -u; echo bad >&2; exit 4'], Env: ['A=1'], WorkingDir: '/tmp', User: '9',
    AttachStdout: true, AttachStderr: true,
  });
  assert.deepEqual(await demuxed(await exec.start({})), { output: '1\n/tmp\n9\n', error: 'bad\n' });
  const seen = await exec.inspect();
  assert.equal(seen.ExitCode, 4);
  assert.equal(seen.Running, false);
  assert.equal(seen.ContainerID, container.id);
  assert.deepEqual(seen.ProcessConfig.arguments, ['-c', 'echo $A; pwd; id -u; echo bad >&2; exit 4']);
});

test('exec: with input', async () => {
  const container = await started();
  const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
  const stream = await exec.start({ hijack: true, stdin: true });
  stream.write('to cat');
  stream.end();
  assert.equal((await demuxed(stream)).output, 'to cat');
});

test('exec: with a terminal that is resized', async () => {
  const container = await started();
  const exec = await container.exec({ Cmd: ['sh'], AttachStdin: true, AttachStdout: true, Tty: true });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  let text = '';
  stream.on('data', (chunk) => { text += chunk; });
  await until('a prompt', () => text.includes('#'));
  await exec.resize({ h: 44, w: 111 });
  stream.write('stty size\n');
  await until('the size', () => text.includes('44 111'));
  stream.write('exit 2\n');
  await until('its end', async () => (await exec.inspect()).ExitCode === 2);
});

test('exec: detached, and refused', async () => {
  const container = await started();
  const exec = await container.exec({ Cmd: ['touch', '/there'] });
  await exec.start({ Detach: true });
  await until('it ran', async () => (await container.changes()).some(({ Path }) => Path === '/there'));
  await container.pause();
  await refused(container.exec({ Cmd: ['true'] }), 409, /is paused, unpause the container before exec/);
  await container.unpause();
  await container.stop({ t: 0 });
  await refused(container.exec({ Cmd: ['true'] }), 409, /is not running/);
  await refused(docker.getExec('nosuch').inspect(), 404);
});

// --- images -------------------------------------------------------------------------------------------------------

test('images: list, inspect, history, tag, remove', async () => {
  const image = docker.getImage('busybox');
  const seen = await image.inspect();
  assert.ok(seen.RepoTags.includes('busybox:latest'));
  assert.ok(seen.Size > 0 && seen.RootFS.Layers.length > 0);
  assert.ok((await image.history()).length > 0);
  await image.tag({ repo: 'node/tagged', tag: 'one' });
  const found = await docker.listImages({ filters: { reference: ['node/*'] } });
  assert.deepEqual(found.map(({ Id }) => Id), [seen.Id]);
  const removed = await docker.getImage('node/tagged:one').remove();
  assert.deepEqual(removed, [{ Untagged: 'node/tagged:one' }]);
  await refused(docker.getImage('node/tagged:one').inspect(), 404, /No such image/);
});

test('images: get, load', async () => {
  await docker.getImage('busybox').tag({ repo: 'node/saved', tag: 'one' });
  const archive = await all(await docker.getImage('node/saved:one').get());
  await docker.getImage('node/saved:one').remove();
  const body = new PassThrough();
  body.end(archive);
  const steps = await progress(await docker.loadImage(body));
  assert.ok(steps.some(({ stream }) => (stream || '').includes('node/saved:one')), JSON.stringify(steps));
  const several = await all(await docker.getImages({ names: ['node/saved:one', 'pila/hello-world:latest'] }));
  assert.ok(several.includes('manifest.json'));
});

test('images: push, pull, distribution', async () => {
  if (!registry) return;
  const name = `${registry}/node/pushed`;
  await docker.getImage('busybox').tag({ repo: name, tag: 'v1' });
  const pushed = await progress(await docker.getImage(`${name}:v1`).push({ authconfig: { username: 'a', password: 'b' } }));
  assert.ok(pushed.some(({ aux }) => aux && aux.Digest), JSON.stringify(pushed));
  await docker.getImage(`${name}:v1`).remove();
  await progress(await docker.pull(`${name}:v1`));
  await docker.getImage(`${name}:v1`).inspect();
  await docker.getImage(`${name}:v1`).remove();
  await progress(await docker.createImage({ fromImage: name, tag: 'v1' }));
  const remote = await docker.getImage(`${name}:v1`).distribution();
  assert.match(remote.Descriptor.digest, /^sha256:/);
  assert.equal(remote.Platforms[0].os, 'linux');
  const nothing = await docker.pull(`${name}:nosuch`).then((stream) => progress(stream)).then(() => null, (e) => e);
  assert.match(String(nothing), /nosuch/);
});

test('images: prune', async () => {
  const container = await docker.createContainer({ Image: 'busybox' });
  const { Id } = await container.commit({ comment: 'nobody names it' });
  await container.remove();
  const pruned = await docker.pruneImages({ filters: { dangling: ['true'] } });
  assert.ok(pruned.ImagesDeleted.some(({ Deleted }) => Deleted === Id), JSON.stringify(pruned));
});

test('registry credentials that nobody takes', async () => {
  await refused(docker.checkAuth({ username: 'a', password: 'b', serveraddress: 'http://127.0.0.1:9' }), [500, 503]);
});

// --- networks and volumes -----------------------------------------------------------------------------------------

test('networks: create, connect, disconnect, list, prune, remove', async () => {
  const network = await docker.createNetwork({
    Name: 'net', Driver: 'bridge', Labels: { a: 'b' }, IPAM: { Config: [{ Subnet: '10.99.0.0/24', Gateway: '10.99.0.1' }] },
  });
  const container = await started();
  await network.connect({ Container: container.id, EndpointConfig: { Aliases: ['alias'], IPAMConfig: { IPv4Address: '10.99.0.9' } } });
  const seen = await network.inspect();
  assert.equal(seen.Containers[container.id].IPv4Address, '10.99.0.9/24');
  assert.equal(seen.Labels.a, 'b');
  assert.equal((await container.inspect()).NetworkSettings.Networks.net.IPAddress, '10.99.0.9');
  await refused(network.remove(), 403, /has active endpoints/);
  await network.disconnect({ Container: container.id });
  assert.deepEqual((await network.inspect()).Containers, {});
  assert.equal((await docker.listNetworks({ filters: { name: ['net'] } })).length, 1);
  assert.deepEqual((await docker.pruneNetworks()).NetworksDeleted, ['net']);
  await refused(network.inspect(), 404, /not found/);
  const second = await docker.createNetwork({ Name: 'second' });
  await refused(docker.createNetwork({ Name: 'second', CheckDuplicate: true }), 409, /already exists/);
  await second.remove();
});

test('volumes: create, inspect, list, remove, prune', async () => {
  const { name } = await docker.createVolume({ Name: 'vol', Labels: { a: 'b' } }).then((made) => ({ name: made.name || made.Name }));
  assert.equal(name, 'vol');
  const volume = docker.getVolume('vol');
  assert.equal((await volume.inspect()).Labels.a, 'b');
  assert.equal((await docker.listVolumes({ filters: { label: ['a'] } })).Volumes.length, 1);
  const container = await started({ HostConfig: { Binds: ['vol:/data'] } });
  await refused(volume.remove(), 409, /volume is in use/);
  await container.remove({ force: true });
  await volume.remove();
  await refused(volume.inspect(), 404, /no such volume/i);
  await started({ Volumes: { '/anonymous': {} } }).then((made) => made.remove({ force: true }));
  const pruned = await docker.pruneVolumes();
  assert.ok(Array.isArray(pruned.VolumesDeleted) && pruned.SpaceReclaimed >= 0);
});

// --- what is off --------------------------------------------------------------------------------------------------

test('swarm is off', async () => {
  const off = /This node is not a swarm manager/;
  for (const call of ['swarmInspect', 'listServices', 'listNodes', 'listTasks', 'listSecrets', 'listConfigs']) {
    await refused(docker[call](), 503, off);
  }
  await refused(docker.createService({ Name: 'x', TaskTemplate: {} }), 503, off);
});

test('plugins: none', async () => {
  assert.deepEqual(await docker.listPlugins(), []);
  await refused(docker.getPlugin('nosuch').inspect(), 404, /plugin "nosuch" not found/);
});

run(cleanup);
