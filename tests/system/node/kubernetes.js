// SPDX-License-Identifier: Apache-2.0
// What programs do with @kubernetes/client-node. KUBECONFIG names the control plane.
const assert = require('node:assert/strict');
const k8s = require('@kubernetes/client-node');
const { test, run, until } = require('./harness');

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const namespace = 'node';

const deployment = (name) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
  },
});

const map = (name, data = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data });

async function refused(promise, code, reason) {
  const error = await promise.then(() => assert.fail('was not refused'), (failure) => failure);
  assert.equal(error.code, code, String(error));
  const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
  assert.equal(body.reason, reason);
  return body;
}

async function cleanup() {
  for (const { metadata } of (await core.listNamespace()).items) {
    if (metadata.name === namespace) await core.deleteNamespace({ name: namespace });
  }
  await until('the namespace is gone', async () => !(await core.listNamespace()).items.some((one) => one.metadata.name === namespace));
}

const started = () => core.createNamespace({ body: { metadata: { name: namespace } } });

test('create, read, list with selectors and pages, delete', async () => {
  await started();
  for (const number of [1, 2, 3]) {
    const body = { metadata: { name: `m${number}`, labels: { odd: String(number % 2) } }, data: { number: String(number) } };
    await core.createNamespacedConfigMap({ namespace, body });
  }
  const read = await core.readNamespacedConfigMap({ name: 'm2', namespace });
  assert.deepEqual(read.data, { number: '2' });
  assert.ok(read.metadata.creationTimestamp instanceof Date);
  const odd = await core.listNamespacedConfigMap({ namespace, labelSelector: 'odd=1' });
  assert.deepEqual(odd.items.map((item) => item.metadata.name), ['m1', 'm3']);
  const first = await core.listNamespacedConfigMap({ namespace, limit: 2 });
  const rest = await core.listNamespacedConfigMap({ namespace, limit: 2, _continue: first.metadata._continue });
  const names = [...first.items, ...rest.items].map((item) => item.metadata.name);
  assert.deepEqual(names.filter((name) => name !== 'kube-root-ca.crt'), ['m1', 'm2', 'm3']);
  const gone = await core.deleteNamespacedConfigMap({ name: 'm1', namespace });
  assert.equal(gone.status, 'Success');
  await refused(core.readNamespacedConfigMap({ name: 'm1', namespace }), 404, 'NotFound');
  await refused(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'm2' } } }), 409, 'AlreadyExists');
});

test('patches of every content type', async () => {
  await started();
  await apps.createNamespacedDeployment({ namespace, body: deployment('web') });
  const patch = (body, strategy, more = {}) => apps.patchNamespacedDeployment(
    { name: 'web', namespace, body, ...more }, k8s.setHeaderOptions('Content-Type', strategy));
  let made = await patch([{ op: 'replace', path: '/spec/replicas', value: 2 }], k8s.PatchStrategy.JsonPatch);
  assert.equal(made.spec.replicas, 2);
  made = await patch({ metadata: { annotations: { note: 'x' } } }, k8s.PatchStrategy.MergePatch);
  assert.equal(made.metadata.annotations.note, 'x');
  const side = { spec: { template: { spec: { containers: [{ name: 'side', image: 'busybox' }] } } } };
  made = await patch(side, k8s.PatchStrategy.StrategicMergePatch);
  assert.deepEqual(made.spec.template.spec.containers.map((one) => one.name).sort(), ['side', 'web']);
  const wish = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 4 } };
  const conflict = await refused(patch(wish, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'other' }), 409, 'Conflict');
  assert.equal(conflict.details.causes[0].field, '.spec.replicas');
  made = await patch(wish, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'other', force: true });
  assert.equal(made.spec.replicas, 4);
  const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
  assert.equal(scale.spec.replicas, 4);
  scale.spec.replicas = 0;
  delete scale.metadata.resourceVersion; // the deployment's controller writes, too
  await apps.replaceNamespacedDeploymentScale({ name: 'web', namespace, body: scale });
  assert.equal((await apps.readNamespacedDeployment({ name: 'web', namespace })).spec.replicas, 0);
});

test('objects of kinds that are found by discovery', async () => {
  await started();
  const made = await objects.create(map('settings', { a: '1' }));
  made.data.a = '2';
  assert.equal((await objects.replace(made)).data.a, '2');
  made.data.a = '3';
  await refused(objects.replace(made), 409, 'Conflict');
  assert.equal((await objects.create(deployment('web'))).metadata.generation, 1);
  const patched = await objects.patch({ ...deployment('web'), metadata: { name: 'web', namespace, labels: { a: 'b' } } });
  assert.equal(patched.metadata.labels.a, 'b');
  assert.equal((await objects.list('apps/v1', 'Deployment', namespace)).items.length, 1);
  await objects.delete(deployment('web'));
  await refused(objects.read(deployment('web')), 404, 'NotFound');
});

test('a watch goes on where another ended', async () => {
  await started();
  const watch = new k8s.Watch(config);
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const follow = async (resourceVersion, wanted) => {
    const seen = [];
    const request = await watch.watch(path, { resourceVersion }, (type, object) => seen.push([type, object]), () => {});
    await until(`${wanted} events`, () => seen.length >= wanted);
    request.abort();
    return seen;
  };
  const begin = (await core.listNamespacedSecret({ namespace })).metadata.resourceVersion;
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'a' }, stringData: { k: 'v' } } });
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'b' } } });
  const first = await follow(begin, 2);
  assert.deepEqual(first.map(([type, object]) => [type, object.metadata.name]), [['ADDED', 'a'], ['ADDED', 'b']]);
  await core.deleteNamespacedSecret({ name: 'a', namespace });
  const next = await follow(first[1][1].metadata.resourceVersion, 1);
  assert.deepEqual(next.map(([type, object]) => [type, object.metadata.name]), [['DELETED', 'a']]);
});

test('an informer has what there is', async () => {
  await started();
  await core.createNamespacedConfigMap({ namespace, body: map('before') });
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () => core.listNamespacedConfigMap({ namespace }));
  const seen = [];
  for (const event of ['add', 'update', 'delete']) informer.on(event, (object) => seen.push(`${event} ${object.metadata.name}`));
  await informer.start();
  await until('the first is there', () => seen.includes('add before'));
  await core.createNamespacedConfigMap({ namespace, body: map('later', { a: '1' }) });
  await until('the second is there', () => informer.get('later', namespace));
  await core.replaceNamespacedConfigMap({ name: 'later', namespace, body: map('later', { a: '2' }) });
  await until('its change, too', () => informer.get('later', namespace).data.a === '2');
  await core.deleteNamespacedConfigMap({ name: 'later', namespace });
  await until('and its end', () => !informer.get('later', namespace));
  await informer.stop();
  assert.deepEqual(seen.filter((line) => line.endsWith('later')), ['add later', 'update later', 'delete later']);
});

test('custom objects', async () => {
  await started();
  const extensions = config.makeApiClient(k8s.ApiextensionsV1Api);
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } } };
  const body = {
    metadata: { name: 'boats.example.org' },
    spec: {
      group: 'example.org',
      scope: 'Namespaced',
      names: { plural: 'boats', singular: 'boat', kind: 'Boat' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
  await extensions.createCustomResourceDefinition({ body });
  const place = { group: 'example.org', version: 'v1', namespace, plural: 'boats' };
  const boat = { apiVersion: 'example.org/v1', kind: 'Boat', metadata: { name: 'one' }, spec: { size: 3 } };
  await custom.createNamespacedCustomObject({ ...place, body: boat });
  const changed = await custom.patchNamespacedCustomObject(
    { ...place, name: 'one', body: [{ op: 'replace', path: '/spec/size', value: 5 }] });
  assert.equal(changed.spec.size, 5);
  assert.equal((await custom.listNamespacedCustomObject(place)).items.length, 1);
  await refused(custom.createNamespacedCustomObject({ ...place, body: { ...boat, metadata: { name: 'two' }, spec: { size: 'x' } } }), 422, 'Invalid');
  await custom.deleteNamespacedCustomObject({ ...place, name: 'one' });
  await extensions.deleteCustomResourceDefinition({ name: 'boats.example.org' });
});

test('exec says that there is no node', async () => {
  await started();
  const spec = { containers: [{ name: 'c', image: 'busybox' }] };
  await core.createNamespacedPod({ namespace, body: { metadata: { name: 'p' }, spec } });
  const refusal = await refused(core.connectGetNamespacedPodExec({ name: 'p', namespace, command: 'true', container: 'c' }), 501, 'NotImplemented');
  assert.equal(refusal.kind, 'Status');
  await assert.rejects(new k8s.Exec(config).exec(namespace, 'p', 'c', ['true'], null, null, null, false), (failure) =>
    /501/.test(String(failure && (failure.message || failure))));
  await assert.rejects(new k8s.Log(config).log(namespace, 'p', 'c', process.stderr, {}), { code: 501 });
});

run(cleanup);
