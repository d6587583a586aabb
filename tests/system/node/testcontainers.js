// SPDX-License-Identifier: Apache-2.0
// testcontainers as its users write it, all on busybox. Its reaper's image cannot be had without a registry: ours says
// what Ryuk says, and the test then does what Ryuk would do with the filters it was given.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Readable } = require('node:stream');
const Docker = require('dockerode');
const { test, run, until, all, sleep, tar, untar } = require('./harness');

process.env.RYUK_CONTAINER_IMAGE = 'node/ryuk:1';
const { GenericContainer, Network, Wait, PullPolicy, DockerComposeEnvironment } = require('testcontainers');

const docker = new Docker();
const server = 'mkdir -p /www; echo page > /www/index.html; echo listening; exec httpd -f -h /www';
const busybox = (...command) =>
  new GenericContainer('busybox').withCommand(command).withStartupTimeout(30000);
const shell = (text) => busybox('sh', '-c', text);
const idle = () => shell('exec sleep 100000');
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'pila-testcontainers-'));

async function page(container) {
  const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}/`);
  return (await answer.text()).trim();
}

const stopped = (container) => container.stop({ timeout: 0 });

async function makeReaperImage() {
  const made = await docker.createContainer({
    Image: 'busybox',
    Cmd: ['sh', '-c', 'printf \'#!/bin/sh\\nwhile read -r line; do echo "$line" >> /filters; echo ACK; done\\n\' > /serve; ' +
      'chmod 755 /serve; test -S /var/run/docker.sock && echo Started!; exec nc -ll -p 8080 -e /serve'],
  });
  await made.commit({ repo: 'node/ryuk', tag: '1' });
  await made.remove();
}

async function cleanup() {}

test('the reaper is started and told what to remove', async () => {
  await makeReaperImage();
  const container = await idle().start();
  const reapers = await docker.listContainers({ filters: { label: ['org.testcontainers.ryuk=true'] } });
  const [reaper] = reapers.length ? reapers : (await docker.listContainers()).filter(({ Image }) => Image === 'node/ryuk:1');
  assert.ok(reaper, 'no reaper runs');
  const filters = await until('the filters arrive', async () => {
    const archive = await docker.getContainer(reaper.Id).getArchive({ path: '/filters' }).catch(() => null);
    return archive && untar(await all(archive)).filters;
  });
  const label = /label=([^&\r\n]+)/.exec(filters)[1];
  const mine = await docker.listContainers({ filters: { label: [decodeURIComponent(label)] } });
  assert.ok(mine.some(({ Id }) => Id === container.getId()), `${label} does not find it`);
  for (const { Id } of mine.filter((one) => one.Id !== reaper.Id)) await docker.getContainer(Id).remove({ force: true, v: true });
  await assert.rejects(docker.getContainer(container.getId()).inspect(), /No such container/);
});

test('waiting for a log message, some times', async () => {
  const container = await shell('for i in 1 2 3; do echo ready $i; sleep 0.2; done; exec sleep 100000')
    .withWaitStrategy(Wait.forLogMessage(/ready \d/, 3)).start();
  const lines = String(await new Promise(async (done) => {
    const stream = await container.logs();
    let text = '';
    stream.on('data', (chunk) => { text += chunk; if (text.includes('ready 3')) { stream.destroy(); done(text); } });
  }));
  assert.match(lines, /ready 1[\s\S]*ready 3/);
  await stopped(container);
});

test('waiting for ports, and reaching them', async () => {
  const container = await shell(`sleep 0.5; ${server}`).withExposedPorts(80)
    .withWaitStrategy(Wait.forListeningPorts()).start();
  assert.equal(await page(container), 'page');
  assert.equal(container.getFirstMappedPort(), container.getMappedPort(80));
  await stopped(container);
});

test('waiting for HTTP', async () => {
  const container = await shell(`sleep 0.5; ${server}`).withExposedPorts(80)
    .withWaitStrategy(Wait.forHttp('/', 80).forStatusCode(200).forResponsePredicate((body) => body.trim() === 'page')).start();
  await stopped(container);
});

test('waiting for health', async () => {
  const container = await shell('sleep 1; touch /well; exec sleep 100000')
    .withHealthCheck({ test: ['CMD-SHELL', 'test -f /well'], interval: 200, timeout: 2000, retries: 20, startPeriod: 100 })
    .withWaitStrategy(Wait.forHealthCheck()).start();
  assert.equal((await docker.getContainer(container.getId()).inspect()).State.Health.Status, 'healthy');
  await stopped(container);
  await assert.rejects(
    idle().withHealthCheck({ test: ['CMD', 'false'], interval: 100, timeout: 1000, retries: 1 })
      .withWaitStrategy(Wait.forHealthCheck()).start(), /[Hh]ealth check failed/);
});

test('waiting for a command, and for several things', async () => {
  const container = await shell(`sleep 0.5; touch /made; ${server}`).withExposedPorts(80)
    .withWaitStrategy(Wait.forAll([Wait.forSuccessfulCommand('test -f /made'), Wait.forLogMessage('listening'),
      Wait.forListeningPorts()])).start();
  assert.equal(await page(container), 'page');
  await stopped(container);
});

test('waiting for one that ends', async () => {
  const container = await shell('sleep 0.3; echo done').withWaitStrategy(Wait.forOneShotStartup()).start();
  await stopped(container);
  await assert.rejects(shell('exit 3').withWaitStrategy(Wait.forOneShotStartup()).start());
});

test('waiting in vain', async () => {
  await assert.rejects(
    idle().withWaitStrategy(Wait.forLogMessage('never')).withStartupTimeout(1000).start(), /not received after 1000ms/);
});

test('environment, user, directory, name, labels, host name, entry point', async () => {
  const container = await shell('echo "$A $(pwd) $(id -u) $(hostname)"; exec sleep 100000').withEnvironment({ A: 'value' })
    .withUser('7').withWorkingDir('/tmp').withName('tc-named').withLabels({ mine: 'yes' }).withHostname('tc-host')
    .withWaitStrategy(Wait.forLogMessage('value /tmp 7 tc-host')).start();
  assert.equal(container.getName().replace('/', ''), 'tc-named');
  assert.equal(container.getLabels().mine, 'yes');
  assert.equal(container.getHostname(), 'tc-host');
  await stopped(container);
  const other = await new GenericContainer('busybox').withEntrypoint(['echo']).withCommand(['by', 'entry'])
    .withWaitStrategy(Wait.forLogMessage('by entry')).start();
  await stopped(other);
});

test('limits, capabilities, ulimits, shared memory, hosts', async () => {
  const container = await idle().withResourcesQuota({ memory: 0.1, cpu: 1 }).withUlimits({ nofile: { hard: 500, soft: 400 } })
    .withDroppedCapabilities('CHOWN').withAddedCapabilities('NET_ADMIN').withSharedMemorySize(10 << 20)
    .withExtraHosts([{ host: 'other', ipAddress: '10.1.2.3' }]).withSecurityOpt('no-new-privileges').start();
  const { HostConfig } = await docker.getContainer(container.getId()).inspect();
  assert.equal(HostConfig.NanoCpus, 1e9);
  const { output } = await container.exec(['sh', '-c', 'ulimit -Hn; grep other /etc/hosts; df -k /dev/shm | tail -1']);
  assert.match(output, /^500\n10.1.2.3\s+other\n.*10240 /);
  await stopped(container);
});

test('networks and aliases', async () => {
  const network = await new Network().start();
  const web = await shell(server).withNetwork(network).withNetworkAliases('web', 'site')
    .withWaitStrategy(Wait.forLogMessage('listening')).start();
  const client = await idle().withNetwork(network).start();
  for (const name of ['web', 'site']) {
    const got = await until(`${name} answers`, async () => {
      const { exitCode, output } = await client.exec(['wget', '-qO-', `http://${name}/`]);
      return exitCode === 0 && output;
    });
    assert.equal(got, 'page\n');
  }
  assert.match(web.getIpAddress(network.getName()), /^\d+\.\d+\.\d+\.\d+$/);
  assert.ok(web.getNetworkNames().includes(network.getName()));
  assert.equal(web.getNetworkId(network.getName()), network.getId());
  await stopped(client);
  await stopped(web);
  await network.stop();
});

test('a network mode', async () => {
  const container = await shell('ip addr; exec sleep 100000').withNetworkMode('none').withWaitStrategy(Wait.forLogMessage('lo')).start();
  assert.equal((await container.exec('ls /sys/class/net')).output.trim(), 'lo');
  await stopped(container);
});

test('files, directories, content and archives are copied in before the start', async () => {
  fs.mkdirSync(path.join(directory, 'sub'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'file.txt'), 'a file');
  fs.writeFileSync(path.join(directory, 'sub', 'inner.txt'), 'inner');
  const container = await shell('cat /in/file /in/content /in/dir/inner.txt /arc/x.txt; stat -c %a /in/content; exec sleep 100000')
    .withCopyFilesToContainer([{ source: path.join(directory, 'file.txt'), target: '/in/file' }])
    .withCopyDirectoriesToContainer([{ source: path.join(directory, 'sub'), target: '/in/dir' }])
    .withCopyContentToContainer([{ content: ' content ', target: '/in/content', mode: 0o600 }])
    .withCopyArchivesToContainer([{ tar: Readable.from(tar({ 'arc/x.txt': ' archived\n' })), target: '/' }])
    .withWaitStrategy(Wait.forLogMessage('a file content inner archived')).start();
  assert.match(String(await all(await docker.getContainer(container.getId()).logs({ stdout: true, follow: false })
    .then((logs) => Readable.from([logs])))), /600/);
  await stopped(container);
});

test('copying while it runs, and out of it', async () => {
  const container = await idle().start();
  await container.copyContentToContainer([{ content: 'later', target: '/later.txt' }]);
  assert.equal((await container.exec('cat /later.txt')).output, 'later');
  await container.copyFilesToContainer([{ source: path.join(directory, 'file.txt'), target: '/f' }]);
  await container.copyArchiveToContainer(Readable.from(tar({ 'y.txt': 'y' })), '/tmp');
  assert.equal((await container.exec('cat /f /tmp/y.txt')).output, 'a filey');
  assert.equal(untar(await all(await container.copyArchiveFromContainer('/tmp/y.txt')))['y.txt'], 'y');
  const done = await container.stop({ timeout: 0, remove: false });
  assert.equal(untar(await all(await done.copyArchiveFromContainer('/later.txt')))['later.txt'], 'later');
  await docker.getContainer(done.getId()).remove();
});

test('exec: output, streams, exit code, options', async () => {
  const container = await idle().start();
  const result = await container.exec(['sh', '-c', 'echo $A; pwd; id -u; echo bad >&2; exit 4'],
    { env: { A: '1' }, workingDir: '/tmp', user: '5' });
  assert.equal(result.exitCode, 4);
  assert.equal(result.stdout, '1\n/tmp\n5\n');
  assert.equal(result.stderr, 'bad\n');
  await stopped(container);
});

test('stop, restart, mapped ports afterwards', async () => {
  const container = await shell(`cat /proc/uptime > /started; ${server}`).withExposedPorts(80).start();
  const before = (await container.exec('cat /started')).output;
  await container.restart({ timeout: 0 });
  assert.notEqual((await container.exec('cat /started')).output, before);
  assert.equal(await page(container), 'page');
  await stopped(container);
  await assert.rejects(docker.getContainer(container.getId()).inspect());
});

test('bind mounts and tmpfs', async () => {
  const container = await idle().withBindMounts([{ source: directory, target: '/bound', mode: 'ro' }])
    .withTmpFs({ '/scratch': 'rw,size=65536k' }).start();
  assert.equal((await container.exec('cat /bound/file.txt')).output, 'a file');
  assert.notEqual((await container.exec('touch /bound/new')).exitCode, 0);
  assert.match((await container.exec('df -k /scratch')).output, /tmpfs +65536/);
  await stopped(container);
});

test('log consumers', async () => {
  const seen = [];
  const container = await shell('echo one; sleep 0.3; echo two; exec sleep 100000')
    .withLogConsumer((stream) => stream.on('data', (line) => seen.push(String(line).trim()))).start();
  await until('both lines', () => seen.length >= 2);
  assert.deepEqual(seen, ['one', 'two']);
  await stopped(container);
});

test('a container that is used again', async () => {
  process.env.TESTCONTAINERS_REUSE_ENABLE = 'true';
  const make = () => idle().withName('tc-again').withReuse().start();
  const first = await make();
  const second = await make();
  assert.equal(second.getId(), first.getId());
  await docker.getContainer(first.getId()).stop({ t: 0 });
  const third = await make();
  assert.equal(third.getId(), first.getId());
  await stopped(third);
});

test('a commit that is run', async () => {
  const container = await idle().start();
  await container.exec('touch /by-commit');
  const id = await container.commit({ repo: 'node/tc', tag: 'one', deleteOnExit: false });
  assert.match(id, /^sha256:/);
  const next = await new GenericContainer('node/tc:one').withCommand(['sh', '-c', 'ls /by-commit; exec sleep 100000'])
    .withWaitStrategy(Wait.forLogMessage('/by-commit')).start();
  await stopped(next);
  await stopped(container);
  await docker.getImage('node/tc:one').remove();
});

test('an image that is not there', async () => {
  await assert.rejects(new GenericContainer('127.0.0.1:9/nosuch:1').start(), /nosuch|refused|Failed to pull/);
});

test('automatic removal', async () => {
  const container = await idle().withAutoRemove(true).start();
  await stopped(container);
  await until('it is gone', () => docker.getContainer(container.getId()).inspect().then(() => false, () => true));
});

test('always pulling asks the registry', async () => {
  await assert.rejects(new GenericContainer('127.0.0.1:9/some:1').withPullPolicy(PullPolicy.alwaysPull()).start());
});

test('a compose project', async () => {
  if (!process.env.COMPOSE) return;
  fs.writeFileSync(path.join(directory, 'compose.yml'), `
version: "2.4"
services:
  web:
    image: busybox
    command: sh -c "${server}"
    ports: ["80"]
    stop_grace_period: 0s
  side:
    image: busybox
    command: sh -c "echo side $$WORD; exec sleep 10000"
    environment: {WORD: "\${WORD}"}
    stop_grace_period: 0s
`);
  const project = `tc${process.pid}`;
  const environment = await new DockerComposeEnvironment(directory, 'compose.yml').withEnvironment({ WORD: 'heard' })
    .withProjectName(project)
    .withClientOptions({ executable: { executablePath: process.env.COMPOSE, standalone: true } })
    .withWaitStrategy(`${project}_web_1`, Wait.forListeningPorts()).withWaitStrategy(`${project}_side_1`, Wait.forLogMessage('side heard')).up();
  const web = environment.getContainer(`${project}_web_1`);
  assert.equal(await page(web), 'page');
  await environment.down();
});

run(cleanup);
