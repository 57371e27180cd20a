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

test('the stream of a job ends when the credential behind it is revoked, and no other', async ({
  world,
  expect,
}) => {
  const hub = await world.openHub()
  const [acme, globex] = [await world.tenant(), await world.tenant()]
  const open = async ({ id, user, token }: typeof acme) => {
    const job = newId()
    await world.owner`
      insert into jobs (id, tenant_id, user_id, function, path, call, status)
      values (${job}, ${id}, ${user}, 'self-memory', 'self.memory.recall', '{}', 'running')`
    return fetch(`${hub}/v1/jobs/${job}/stream`, { headers: { authorization: `Bearer ${token}` } })
  }
  const [own, theirs] = [await open(acme), await open(globex)]
  expect([own.status, theirs.status]).toEqual([200, 200])
  await world.owner`update users set removed_at = now(), email = null where id = ${acme.user}`
  await world.revokes(acme)
  // It ends without having come to the end of the job: resumed, it is refused.
  expect((await allEvents(own)).map(({ event }) => event)).not.toContain('complete')
  expect((await open(acme)).status).toBe(401)
  const left = theirs.body?.getReader()
  expect((await left?.read())?.done).toBe(false)
  await left?.cancel()
})
