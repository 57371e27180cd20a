/** A whole deploy: the order of its steps, several Services, the Job before them and the parts after. */
import { describe } from 'vitest'
import { createApi } from '../../../../knative/deploy/api.ts'
import { Refused } from '../../../../knative/deploy/api-errors.ts'
import type { ClusterObject, Deployment, Job, Service } from '../../../../knative/deploy/objects.ts'
import { select } from '../../../../knative/deploy/manifests.ts'
import { withImage } from '../../../../knative/deploy/running-services.ts'
import { jobOf, Killed, namespace, partOf, serves, serviceOf, test } from './world.ts'

const settings = (value: string): ClusterObject =>
  ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace },
    data: { value },
  }) as ClusterObject
const trigger: ClusterObject = {
  apiVersion: 'eventing.knative.dev/v1',
  kind: 'Trigger',
  metadata: { name: 'soul-events', namespace },
  spec: { broker: 'default' },
}

describe('runDeploy()', () => {
  test('prepares the database, then deploys functions, then what calls them', async ({ world, expect }) => {
    const objects = [
      trigger,
      partOf('relay', 'parts@1'),
      serviceOf('soul', 'good'),
      jobOf('parts@1'),
      settings('a'),
    ]
    expect(await world.deploys(objects)).toEqual({ setup: 'ready', soul: 'ready', relay: 'updated' })
    expect(world.cluster.writes).toEqual([
      'CREATE ConfigMap settings',
      'CREATE Job setup',
      'CREATE Service soul',
      'CREATE Trigger soul-events',
      'CREATE Deployment relay',
    ])
    world.lines.length = 0
    expect(await world.deploys(objects)).toEqual({
      setup: 'unchanged',
      soul: 'unchanged',
      relay: 'unchanged',
    })
    expect(world.lines).toEqual(['deploy: 0 of 1 Services change'])
  })

  test('runs the Job of a new version again, and stops where it fails', async ({ world, expect }) => {
    await world.deploys([jobOf('parts@1'), serviceOf('soul', 'good')])
    world.cluster.writes.length = 0
    world.knative.jobsFail = true
    const next = [jobOf('parts@2'), serviceOf('soul', 'better'), partOf('relay', 'parts@2')]
    expect(await world.deploys(next)).toEqual({ setup: 'failed' })
    expect(world.outcomes[0]?.why).toBe('the Job has failed: BackoffLimitExceeded')
    expect(world.cluster.writes).toEqual(['DELETE Job setup', 'CREATE Job setup'])
    world.knative.jobsFail = false
    expect(await world.deploys(next)).toEqual({ setup: 'ready', soul: 'promoted', relay: 'updated' })
    expect(world.cluster.find<Job>('Job', 'setup')?.spec).toEqual(jobOf('parts@2').spec)
  })

  test('says where a part does not roll, and leaves its pods that run', async ({ world, expect }) => {
    await world.deploys([partOf('relay', 'parts@1')])
    world.knative.partsFail = true
    expect(await world.deploys([partOf('relay', 'parts@2'), partOf('hub', 'parts@2')])).toEqual({
      relay: 'failed',
    })
    expect(world.outcomes[0]?.why).toContain('has timed out progressing')
    expect(world.cluster.find('Deployment', 'hub')).toBeUndefined()
  })

  test('leaves the number of pods to the autoscaler of a part, and sets that of others', async ({
    world,
    expect,
  }) => {
    const scaler = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'hub', namespace },
      spec: { scaleTargetRef: { name: 'hub' } },
    }
    await world.deploys([partOf('relay', 'parts@1'), partOf('hub', 'parts@1')])
    for (const deployment of world.cluster.all<Deployment>('Deployment')) deployment.spec.replicas = 7
    await world.deploys([scaler, partOf('relay', 'parts@2'), partOf('hub', 'parts@2')])
    const replicasOf = (name: string) => world.cluster.find<Deployment>('Deployment', name)?.spec.replicas
    expect([replicasOf('hub'), replicasOf('relay')]).toEqual([7, 2])
  })

  test('takes the fields over that kubectl has applied, so that removed ones go', async ({
    world,
    expect,
  }) => {
    await world.deploys([settings('a')])
    world.cluster.get('ConfigMap', 'settings').metadata.managedFields = [
      { manager: 'kubectl-client-side-apply', operation: 'Update' },
    ]
    await world.deploys([settings('b')])
    expect(world.cluster.find('ConfigMap', 'settings')?.metadata.managedFields).toEqual([
      { manager: 'kgents-deploy', operation: 'Apply' },
    ])
  })
})

describe('select()', () => {
  const role: ClusterObject = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'deployer', namespace },
  }
  const elsewhere: ClusterObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }
  const objects = [role, elsewhere, settings('a'), serviceOf('soul', 'good'), serviceOf('trace', 'good')]

  test('leaves what is in one namespace, without rights, or some functions alone', ({ expect }) => {
    expect(select(objects, {})).toEqual(objects)
    expect(select(objects, { namespace })).toEqual(objects.slice(2))
    expect(select(objects, { namespace, only: ['trace'] })).toEqual([serviceOf('trace', 'good')])
    expect(() => select(objects, { only: ['trace', 'guest'] })).toThrow(
      'Cannot deploy guest: no such function',
    )
  })
})

describe('deployInWaves()', () => {
  const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']
  const all = (behaviour: string, other: Record<string, string> = {}) =>
    NAMES.map((name) => serviceOf(name, other[name] ?? behaviour))

  test('tries one function first, and none after it where it is bad', async ({ world, expect }) => {
    await world.runs(...all('good'))
    expect(await world.deploys(all('errors'), { waveSize: 2 })).toEqual({
      a: 'rolled back',
      ...Object.fromEntries(NAMES.slice(1).map((name) => [name, 'not begun'])),
    })
    for (const name of NAMES) expect([name, world.stateOf(name)]).toEqual([name, serves('good')])
  })

  test('takes back with a bad one those that are on their way, and keeps those that are through', async ({
    world,
    expect,
  }) => {
    await world.runs(...all('good'))
    const outcome = await world.deploys(all('better', { c: 'errors' }), { waveSize: 3 })
    expect(outcome).toEqual({
      a: 'promoted',
      b: 'rolled back',
      c: 'rolled back',
      d: 'rolled back',
      e: 'not begun',
      f: 'not begun',
    })
    expect(world.outcomes.find(({ name }) => name === 'b')?.why).toBe('c of the same deploy is bad')
    const served = NAMES.map((name) => world.stateOf(name).template)
    expect(served).toEqual(['better', 'good', 'good', 'good', 'good', 'good'])
    expect(world.knative.violations).toEqual([])
  })

  test('goes on with those that a killed deploy left behind, before it begins others', async ({
    world,
    expect,
  }) => {
    await world.runs(...all('good'))
    await expect(world.deploys(all('better'), { waveSize: 3, killAfter: 14 })).rejects.toThrow(Killed)
    const outcome = await world.deploys(all('better'), { waveSize: 3 })
    expect(NAMES.map((name) => world.stateOf(name))).toEqual(NAMES.map(() => serves('better')))
    expect(Object.values(outcome)).not.toContain('rolled back')
    expect(world.knative.violations).toEqual([])
  })
})

describe('withImage()', () => {
  test('gives functions another image, and changes nothing else of their manifests', async ({
    world,
    expect,
  }) => {
    const other: Service = { ...serviceOf('guest', 'good'), metadata: { name: 'guest', namespace } }
    await world.runs(serviceOf('soul', 'good'), other)
    const api = createApi(world.cluster.config, world.clock)
    const services = await withImage(api, namespace, 'functions@better')
    expect(services).toEqual([serviceOf('soul', 'better')])
    expect(await world.deploys(services)).toEqual({ soul: 'promoted' })
  })
})

describe('createApi()', () => {
  test('names what a cluster does not know, and what it refuses', async ({ world, expect }) => {
    const api = createApi(world.cluster.config, world.clock)
    const queue = { apiVersion: 'kueue.x-k8s.io/v1beta2', kind: 'ClusterQueue', metadata: { name: 'q' } }
    expect(await api.get(queue, undefined, 'q')).toBeUndefined()
    await expect(api.apply(queue)).rejects.toThrow(
      /the cluster does not know kueue.x-k8s.io\/v1beta2 ClusterQueue/,
    )
    const broken = serviceOf('soul', 'good')
    broken.spec.traffic = [{ latestRevision: true, percent: 90 }]
    await expect(api.create(broken)).rejects.toThrow(
      new Refused(
        'The API server answered 400: admission webhook denied the request: Traffic targets sum to 90, want 100',
      ),
    )
  })
})
