/** Who may follow a job: the hub asks the real function. */
import { newId } from '../../../shared/new-id.ts'
import { insertColleague } from '../functions/world.ts'
import { allEvents } from './hub-world.ts'
import { test } from './subscription-world.ts'

test('the stream of a job is told to the person who asked, and refused to an admin', async ({
  world,
  expect,
}) => {
  const hub = await world.openHub()
  const asker = await world.tenant()
  const admin = await insertColleague(world.owner, asker, 'admin')
  const running = newId()
  const ended = newId()
  await world.owner`
    insert into jobs (id, tenant_id, user_id, function, path, call, status, result)
    select id, ${asker.id}, ${asker.user}, 'self-memory', 'self.memory.recall', '{}', status, result::json
    from (values (${running}::uuid, 'running', null), (${ended}::uuid, 'completed', '{"said":"a secret"}'))
      as job (id, status, result)`
  const follow = (job: string, key: string) =>
    fetch(`${hub}/v1/jobs/${job}/stream`, { headers: { 'x-api-key': key } })
  const [told] = await allEvents(await follow(ended, asker.apiKey))
  expect(told).toMatchObject({ event: 'complete', data: { result: { said: 'a secret' } } })
  for (const job of [running, ended]) {
    const refused = await follow(job, admin)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({
      code: 'AFFORDANCE_DENIED',
      message: `Cannot follow job "${job}": it is another person's`,
    })
  }
})
