/** A step costs the same, however many there were before it. */
import { expect } from 'vitest'
import { begins, calling, counters, jobOf, scripted, watch } from './agents-world.ts'
import { testWith } from './world.ts'

const test = testWith([counters])

/** By hand: `AGENT_STEPS=1000`. */
const STEPS = Number(process.env['AGENT_STEPS'] ?? 20)
/** From which on what is shown of earlier steps is as long as it may be. */
const STEADY = 10

test(
  `step ${STEPS} of a run takes as many statements and shows its model as much as step ${STEADY}`,
  { timeout: 60_000 + STEPS * 1000 },
  async ({ newTenant, settles, owner, runtime }) => {
    const tenant = await newTenant()
    const babble = 'world.counters.babble'
    const run = await begins(tenant, { tools: [babble] }, { max_steps: STEPS })
    let statements = 0
    const cost: { statements: number; characters: number }[] = []
    const unwatch = watch(runtime, { count: () => statements++ })
    const { model } = scripted(calling([babble, { size: 3000 }]))
    const startedAt = performance.now()
    await settles(tenant, (message) => {
      cost.push({ statements, characters: JSON.stringify(message.request).length })
      statements = 0
      return model(message)
    })
    unwatch()
    const seconds = (performance.now() - startedAt) / 1000
    const steady = cost[STEADY - 1]
    for (const each of cost.slice(STEADY - 1)) expect(each).toEqual(steady)
    expect(cost).toHaveLength(STEPS)
    expect((await jobOf(tenant, run)).result).toMatchObject({ steps: STEPS, finish: 'step_limit' })
    const [size] = await owner`
      select max(pg_column_size(r.*)) as run, count(*)::int as steps from agent_runs r join agent_steps s on s.run_id = r.id
      where r.id = ${run}`
    expect(size?.['run']).toBeLessThan(400)
    expect(size?.['steps']).toBe(2 * STEPS - 1)
    // oxlint-disable-next-line no-console -- reason: what a run by hand reports
    if (STEPS > 20) console.log({ STEPS, seconds, steady, row: size?.['run'] })
  },
)
