import { expect } from 'vitest'
import { startTracing } from '../../../shared/telemetry/spans.ts'
import { openSpanCollector } from '../../span-collector.ts'
import { testWith } from './world.ts'

const test = testWith()

test('the span of a call says for which tenant it was, and nothing of the person, the credential and the input', async ({
  newTenant,
}) => {
  const collector = await openSpanCollector()
  const stop = await startTracing('self-memory', collector.url)
  const acme = await newTenant('team')
  const path = '/v1/agentese/self/memory/engram'
  expect(await acme.calls('POST', path, { content: 'nobody may read this' })).toMatchObject({ status: 200 })
  await stop()
  const sent = collector.received()
  collector.close()
  for (const part of ['agentese.tenant_id', acme.id, 'agentese.tier', 'team', 'agentese.observer.archetype'])
    expect(sent).toContain(part)
  for (const part of [acme.user, 'kg_', 'nobody may read']) expect(sent).not.toContain(part)
})
