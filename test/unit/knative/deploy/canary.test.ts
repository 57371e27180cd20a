/** The canary against an API server: what it does with good and bad revisions, and with a cluster that does not sit still. */
import { describe } from 'vitest'
import { Refused, Unavailable } from '../../../../knative/deploy/api-errors.ts'
import type { Service } from '../../../../knative/deploy/objects.ts'
import { Killed, serves, serviceOf, test } from './world.ts'

describe('a deploy', () => {
  test('promotes a good revision by 10, 50 and 100 percent, and leaves nothing pinned', async ({
    world,
    expect,
  }) => {
    await world.runs(serviceOf('soul', 'good'))
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
    expect(world.stateOf('soul')).toEqual(serves('better'))
    expect(world.lines.filter((line) => line.includes('% of the requests'))).toEqual(
      [10, 50, 100].map((percent) => `soul: soul-00002 gets ${percent} % of the requests`),
    )
    expect(world.probes).toBe(0)
    expect(world.knative.violations).toEqual([])
  })

  test('does nothing where nothing has changed, even without Prometheus', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    world.knative.hasMetrics = false
    expect(await world.deploys([serviceOf('soul', 'good')])).toEqual({ soul: 'unchanged' })
    expect(world.cluster.writes).toEqual([])
  })

  test.for([
    ['errors', /20\.\d % of its requests fail/, 10],
    ['refuses', /50\.0 % of its requests are refused/, 10],
    ['slow', /p95 is 900 ms, the running revision's 80 ms/, 10],
    ['slow-start', /a cold start takes 20 s, the running revision's 2 s/, 10],
    ['restarts', /its program has ended/, 10],
    ['crash', /Cannot start: DATABASE_URL is required.*CrashLoopBackOff/, 0],
    ['no-key', /couldn't find key TOOL_SECRET_KEY in Secret/, 0],
    ['never', /not ready after 120 s/, 0],
  ] as const)('takes back a revision: %s', async ([behaviour, why, share], { world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    expect(await world.deploys([serviceOf('soul', behaviour)])).toEqual({ soul: 'rolled back' })
    expect(world.outcomes[0]?.why).toMatch(why)
    expect(world.stateOf('soul')).toEqual(serves('good'))
    expect(world.knative.shares.get('soul-00002') ?? 0).toBe(share)
    // The copy of the one before gets all requests at once.
    expect(world.knative.podsAtFirst.get('soul-00003')).toBe(3)
    expect(world.knative.violations).toEqual([])
  })

  test('keeps as many pods of the running revision as it has, until it has ended', async ({
    world,
    expect,
  }) => {
    const annotations = { 'autoscaling.knative.dev/min-scale': '1' }
    const podsKept = () =>
      world.cluster.find('Revision', 'soul-00001')?.metadata.annotations?.[
        'autoscaling.knative.dev/min-scale'
      ]
    await world.runs(serviceOf('soul', 'good', { annotations }))
    expect(podsKept()).toBe('1')
    const seen = new Set<string | undefined>()
    world.knative.onTick = () => seen.add(podsKept())
    await world.deploys([serviceOf('soul', 'better', { annotations })])
    expect(seen).toEqual(new Set(['3']))
    expect(podsKept()).toBe('1')
  })

  test('is followed by an apply of kubectl or kn that finds nothing to change', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    const manifest = serviceOf('soul', 'better')
    await world.deploys([manifest])
    const { metadata } = world.cluster.find('Service', 'soul') ?? {}
    const applied = metadata?.annotations?.['kubectl.kubernetes.io/last-applied-configuration'] ?? ''
    expect(JSON.parse(applied)).toEqual(manifest)
  })

  test('makes a Service that is new, and says why it does not become ready', async ({ world, expect }) => {
    expect(await world.deploys([serviceOf('soul', 'good')])).toEqual({ soul: 'ready' })
    expect(await world.deploys([serviceOf('trace', 'no-key')])).toEqual({ trace: 'failed' })
    expect(world.outcomes[0]?.why).toContain('TOOL_SECRET_KEY')
    expect(await world.deploys([serviceOf('trace', 'good')])).toEqual({ trace: 'ready' })
    expect(world.stateOf('trace')).toEqual(serves('good'))
  })

  test('refuses a Service whose requests somebody splits by hand, before it changes any other', async ({
    world,
    expect,
  }) => {
    await world.runs(serviceOf('soul', 'good'), serviceOf('trace', 'good'))
    world.cluster.get<Service>('Service', 'trace').spec.traffic = [
      { revisionName: 'trace-00001', percent: 100 },
    ]
    await expect(world.deploys([serviceOf('soul', 'better'), serviceOf('trace', 'better')])).rejects.toThrow(
      /Nothing is changed:\ntrace: its requests are split by somebody else/,
    )
    expect(world.cluster.writes).toEqual([])
  })

  test('refuses what admission refuses, before it changes anything', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'), serviceOf('trace', 'good'))
    const wrong = serviceOf('trace', 'better')
    wrong.spec.template.metadata = { name: 'other' }
    await expect(world.deploys([serviceOf('soul', 'better'), wrong])).rejects.toThrow(Refused)
    expect(world.cluster.writes).toEqual([])
  })

  test('only says what it would do with --dry-run', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    await world.deploys([serviceOf('soul', 'better'), serviceOf('trace', 'good')], { dryRun: true })
    expect(world.lines).toEqual(['soul: changes', 'trace: is new', 'deploy: 2 of 2 Services change'])
    expect(world.cluster.writes).toEqual([])
  })
})

describe('a deploy with few requests', () => {
  test('waits for them once, then decides by requests of its own to both revisions', async ({
    world,
    expect,
  }) => {
    world.knative.load = 0
    await world.runs(serviceOf('soul', 'good'))
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
    expect(world.probes).toBe(3 * 2 * 50)
    expect(world.lines).toContain('soul: 0 requests are too few to decide by: sends 50 of its own')
  })

  test.for(['errors', 'slow'])('takes back by its probe: %s', async (behaviour, { world, expect }) => {
    world.knative.load = 0
    await world.runs(serviceOf('soul', 'good'))
    expect(await world.deploys([serviceOf('soul', behaviour)])).toEqual({ soul: 'rolled back' })
    expect(world.outcomes[0]?.why).toContain('(probe)')
    expect(world.stateOf('soul')).toEqual(serves('good'))
  })

  test('does not promote where no probe arrives', async ({ world, expect }) => {
    world.knative.load = 0
    world.knative.revisionAt = () => undefined
    await world.runs(serviceOf('soul', 'good'))
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'rolled back' })
    expect(world.outcomes[0]?.why).toContain('--ingress')
  })
})

describe('a deploy without Prometheus', () => {
  test('is not begun', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    world.knative.hasMetrics = false
    await expect(world.deploys([serviceOf('soul', 'better')])).rejects.toThrow(Unavailable)
    expect(world.cluster.writes).toEqual([])
  })

  test('goes back when it is lost for long, and on when it comes back soon', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    const { requestsOf } = world.metrics
    let asked = 0
    world.metrics.requestsOf = (revision, seconds) => {
      asked += 1
      world.knative.hasMetrics = asked < 5 || asked > 8
      return requestsOf(revision, seconds)
    }
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
    world.metrics.requestsOf = (revision, seconds) => {
      world.knative.hasMetrics = revision === 'none'
      return requestsOf(revision, seconds)
    }
    expect(await world.deploys([serviceOf('soul', 'good')])).toEqual({ soul: 'rolled back' })
    expect(world.outcomes[0]?.why).toContain('nothing is known of its requests')
    expect(world.stateOf('soul')).toEqual(serves('better'))
  })
})

describe('a deploy in a cluster that does not sit still', () => {
  test('repeats a write that came too late', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    world.cluster.conflicts = 3
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
    expect(world.cluster.conflicts).toBe(0)
    expect(world.stateOf('soul')).toEqual(serves('better'))
  })

  test('outlasts an API server that is unavailable for a moment', async ({ world, expect }) => {
    await world.runs(serviceOf('soul', 'good'))
    world.cluster.outage = 5
    expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
  })

  test.for([1, 2, 3, 5, 8])(
    'is not misled by %i writes whose answers get lost',
    async (lost, { world, expect }) => {
      await world.runs(serviceOf('soul', 'good'))
      world.cluster.lostAnswers = lost
      expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
      expect(world.cluster.lostAnswers).toBe(0)
      expect(world.stateOf('soul')).toEqual(serves('better'))
      expect(world.cluster.all('Revision')).toHaveLength(2)
    },
  )

  test.for([10, 100])(
    'begins again where somebody changes the template at %i percent',
    async (percent, { world, expect }) => {
      await world.runs(serviceOf('soul', 'good'))
      let isChanged = false
      world.knative.onTick = () => {
        const service = world.cluster.get<Service>('Service', 'soul')
        const now = service.spec.traffic?.find(({ tag }) => tag === 'candidate')?.percent
        if (isChanged || now !== percent) return
        isChanged = true
        const { template } = serviceOf('soul', 'errors').spec
        const metadata = { ...service.metadata, generation: (service.metadata.generation ?? 0) + 1 }
        world.cluster.put({ ...service, metadata, spec: { ...service.spec, template } })
      }
      expect(await world.deploys([serviceOf('soul', 'better')])).toEqual({ soul: 'promoted' })
      expect(isChanged).toBe(true)
      expect(world.stateOf('soul')).toEqual(serves('better'))
      expect(world.lines).toContain('soul: its template is not ours: begins again')
    },
  )

  test('says that the API server is unavailable when it stays so', async ({ world, expect }) => {
    world.cluster.outage = 1000
    await expect(world.deploys([serviceOf('soul', 'better')])).rejects.toThrow(
      'Cannot reach the API server: status 503: apiserver is shutting down',
    )
  })
})

/** What may be interrupted, and where it ends. */
const INTERRUPTED = [
  { name: 'a good deploy', behaviour: 'better', load: 10, ends: 'better' },
  { name: 'a bad deploy', behaviour: 'errors', load: 10, ends: 'good' },
  { name: 'a deploy that never becomes ready', behaviour: 'crash', load: 10, ends: 'good' },
] as const

describe.for(INTERRUPTED)('$name', ({ behaviour, load, ends }) => {
  test('that is killed after any of its writes ends right when it is run again', async ({
    world,
    expect,
  }) => {
    world.knative.load = load
    let killed = 0
    for (; ; killed += 1) {
      const name = `soul-${killed}`
      await world.runs(serviceOf(name, 'good'))
      const interrupted = await world
        .deploys([serviceOf(name, behaviour)], { killAfter: killed + 1 })
        .catch((error: unknown) => error)
      if (!(interrupted instanceof Killed)) break
      const outcome = await world.deploys([serviceOf(name, behaviour)])
      expect([killed, Object.values(outcome)]).toEqual([
        killed,
        [ends === 'good' ? 'rolled back' : expect.any(String)],
      ])
      expect([killed, world.stateOf(name)]).toEqual([killed, serves(ends)])
    }
    // Begin, two pods kept warm, three steps, two released, settled.
    expect(killed).toBeGreaterThanOrEqual(ends === 'good' ? 6 : 9)
    expect(world.knative.violations).toEqual([])
  })

  test('that is killed after any of its writes makes way for another version', async ({ world, expect }) => {
    world.knative.load = load
    for (let killed = 1; ; killed += 1) {
      const name = `soul-${killed}`
      await world.runs(serviceOf(name, 'good'))
      const interrupted = await world
        .deploys([serviceOf(name, behaviour)], { killAfter: killed })
        .catch((error: unknown) => error)
      if (!(interrupted instanceof Killed)) break
      expect([killed, await world.deploys([serviceOf(name, 'slightly-slower')])]).toEqual([
        killed,
        { [name]: 'promoted' },
      ])
      expect([killed, world.stateOf(name)]).toEqual([killed, serves('slightly-slower')])
    }
    expect(world.knative.violations).toEqual([])
  })
})
