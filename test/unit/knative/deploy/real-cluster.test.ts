/**
 * What the fake API server takes for granted, on a real one: `KGENTS_TEST_KUBECONFIG` names the kubeconfig of a cluster in
 * which a namespace may be made and removed, with one function in it.
 */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { KubeConfig } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { catalog } from '../../../../functions/catalog.ts'
import { applyObject } from '../../../../knative/deploy/apply.ts'
import { createApi, type Api } from '../../../../knative/deploy/api.ts'
import { Conflict, Refused } from '../../../../knative/deploy/api-errors.ts'
import { SYSTEM_CLOCK } from '../../../../knative/deploy/clock.ts'
import {
  DEPLOYMENT,
  SERVICE,
  type ClusterObject,
  type Revision,
  type Service,
} from '../../../../knative/deploy/objects.ts'
import {
  begin,
  phaseOf,
  settle,
  shift,
  takeBack,
  withManifest,
} from '../../../../knative/deploy/service-state.ts'
import { servicesOf } from '../../../../knative/manifests.ts'
import { components } from '../../../../functions/components.ts'
import { partsOf } from '../../../../knative/parts.ts'
import { DEFAULT_TARGET } from '../../../../knative/target.ts'

const file = process.env['KGENTS_TEST_KUBECONFIG']
if (file === undefined)
  process.stderr.write('skipped: deploys on a real API server: KGENTS_TEST_KUBECONFIG names no cluster\n')

describe.skipIf(file === undefined)('on a real API server', () => {
  const namespace = `kgents-deploy-${randomUUID().slice(0, 8)}`
  const target = { ...DEFAULT_TARGET, namespace }
  const space: ClusterObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  const settings = (data: Record<string, string>): ClusterObject => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace }, data }
    return object
  }
  let api: Api

  beforeAll(async () => {
    const config = new KubeConfig()
    config.loadFromFile(file ?? '')
    api = createApi(config, SYSTEM_CLOCK)
    await api.create(space)
  })

  afterAll(async () => {
    if (file !== undefined) await api.remove(space)
  })

  const knowsKnative = async () => {
    const definitions = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }
    return (await api.get(definitions, undefined, 'services.serving.knative.dev')) !== undefined
  }

  const dataOf = async () => {
    const live = await api.get<ClusterObject & { data?: Record<string, string> }>(
      settings({}),
      namespace,
      'settings',
    )
    return live?.data
  }

  test('fields that kubectl has applied, and the manifest has no more, go', async () => {
    const applied = JSON.stringify(settings({ kept: 'a', removed: 'b' }))
    execFileSync('kubectl', ['--kubeconfig', file ?? '', 'apply', '--filename', '-'], {
      input: applied,
      stdio: 'pipe',
    })
    await applyObject(api, settings({ kept: 'c' }))
    expect(await dataOf()).toEqual({ kept: 'c' })
    await applyObject(api, settings({ other: 'd' }))
    expect(await dataOf()).toEqual({ other: 'd' })
  })

  test('a write from an old version is a conflict, and a dry run changes nothing', async () => {
    const name = 'versions'
    const made = await api.create({ ...settings({ a: '1' }), metadata: { name, namespace } })
    await expect(api.create({ ...settings({}), metadata: { name, namespace } })).rejects.toThrow(Conflict)
    const next = await api.replace({ ...made, data: { a: '2' } } as ClusterObject)
    await expect(api.replace({ ...made, data: { a: '3' } } as ClusterObject)).rejects.toThrow(Conflict)
    await api.replace({ ...next, data: { a: '4' } } as ClusterObject, { dryRun: true })
    expect(await api.get(made, namespace, name)).toMatchObject({ data: { a: '2' } })
    await api.merge(made, { metadata: { annotations: { 'deploy.kgents.io/x': '1' } } })
    await api.merge(made, { metadata: { annotations: { 'deploy.kgents.io/x': null } } })
    expect((await api.get(made, namespace, name))?.metadata.annotations ?? {}).toEqual({})
    await api.remove(made)
    // It goes when what belongs to it has gone.
    const gone = await api.get(made, namespace, name)
    expect(gone === undefined || gone.metadata.deletionTimestamp !== undefined).toBe(true)
    await expect(api.create({ ...settings({}), metadata: { name: 'No', namespace } })).rejects.toThrow(
      Refused,
    )
  })

  test('a part that is applied again is the same generation', async () => {
    const [part] = partsOf(components, target).filter(({ kind }) => kind === 'Deployment')
    const idle = { ...(part as ClusterObject), spec: { ...(part as { spec: object }).spec, replicas: 0 } }
    const first = await applyObject(api, idle)
    expect((await applyObject(api, idle)).metadata.generation).toBe(first.metadata.generation)
    expect(await api.list(DEPLOYMENT, namespace, 'app.kubernetes.io/part-of=kgents')).toHaveLength(1)
  })

  test('an apply of kubectl after a deploy makes no new generation', async ({ skip }) => {
    if (!(await knowsKnative())) skip('no Knative')
    const [manifest] = servicesOf(catalog, target) as unknown as [Service]
    const made = await api.create(withManifest(manifest, manifest))
    const input = JSON.stringify(manifest)
    execFileSync('kubectl', ['--kubeconfig', file ?? '', 'apply', '--filename', '-'], {
      input,
      stdio: 'pipe',
    })
    const live = await api.get(SERVICE, namespace, manifest.metadata.name)
    expect(live?.metadata.generation).toBe(made.metadata.generation)
    await api.remove(manifest)
  })

  test('every function, and each state of a canary, is admitted', async ({ skip }) => {
    if (!(await knowsKnative())) skip('no Knative')
    const [, ...services] = servicesOf(catalog, target) as Service[]
    for (const service of services) await api.create(service, { dryRun: true })
    const [manifest] = services
    if (manifest === undefined) return
    // Its only revision is one of a name that does not exist, so no pod is started for the next ones either.
    const made = await api.create(withManifest(manifest, manifest), { dryRun: true })
    const trying = begin(made, manifest, 'x-00001', 1)
    const states: Service[] = [
      trying,
      shift(trying, 'x-00001', 'x-00002', 10),
      shift(trying, 'x-00001', 'x-00002', 100),
    ]
    const { spec } = manifest.spec.template
    const previous: Revision = {
      apiVersion: SERVICE.apiVersion,
      kind: 'Revision',
      metadata: { name: 'x-00001' },
      spec,
    }
    states.push(takeBack(trying, previous, 'because', 2), settle(trying, manifest))
    for (const state of states) {
      const { resourceVersion: _version, ...metadata } = state.metadata
      const admitted = await api.create({ ...state, metadata }, { dryRun: true })
      expect(phaseOf(admitted)).toEqual(phaseOf(state))
      expect(admitted.spec.traffic).toEqual(state.spec.traffic)
    }
  })
})
