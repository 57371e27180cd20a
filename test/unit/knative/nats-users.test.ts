import { expect, test } from 'vitest'
import { components } from '../../../functions/components.ts'
import { natsAccountsFile, natsAccountsOf } from '../../../knative/nats-accounts.ts'
import { natsUsersOf } from '../../../knative/nats-users.ts'

const users = natsUsersOf(components)

test('natsUsersOf() gives a user to each part that uses NATS, with replies of its own', () => {
  expect(users.map(({ name }) => name)).toEqual(['relay', 'stream-hub', 'webhooks', 'gpu-worker'])
  const inboxes = users.map(({ permissions }) => permissions.subscribe.allow[0])
  expect(inboxes).toEqual(users.map(({ name }) => `_INBOX_${name}.>`))
})

test('natsUsersOf() lets nobody but the relay touch the consumer that the Broker is fed from', () => {
  for (const { name, permissions } of users.filter(({ name }) => name !== 'relay')) {
    const { allow, deny = [] } = permissions.publish
    const wide = allow.filter((subject) => /(AGENTESE|EVENTS)\.(\*|>)/.test(subject))
    if (wide.length === 0) continue
    expect(deny, name).toContain('$JS.ACK.AGENTESE.broker.>')
    expect(deny, name).toContain('$JS.API.CONSUMER.MSG.NEXT.AGENTESE.broker')
  }
})

test('natsAccountsFile() has an account for each zone of trust, takes each password from a variable, and says none', () => {
  const text = natsAccountsFile(natsAccountsOf(components))
  const [include, ...rest] = text.split('\n')
  expect(include).toBe('include ./users.conf')
  expect(text).toContain('"password": $STREAM_HUB_NATS_PASSWORD')
  const json = `{${rest.join('\n').replaceAll(/: (\$[A-Z_]+)/g, ': "$1"')}}`
  expect(JSON.parse(json)).toMatchObject({
    accounts: {
      KGENTS: {
        users: expect.arrayContaining(
          users.map(({ name, permissions }) => expect.objectContaining({ user: name, permissions })),
        ),
      },
      KNATIVE: { users: [{ user: 'knative' }] },
      SYS: { users: [{ user: 'operator' }] },
    },
    system_account: 'SYS',
  })
})

test('natsAccountsOf() lets nobody but the relay and who restores delete what is in a stream', () => {
  const [platform] = natsAccountsOf(components)
  for (const { name, permissions } of platform?.users ?? []) {
    if (['relay', 'restore'].includes(name) || permissions === undefined) continue
    const destructive = /^\$JS\.API\.(>|STREAM\.(DELETE|PURGE|MSG\.DELETE))/
    expect(
      permissions.publish.allow.filter((subject) => destructive.test(subject)),
      name,
    ).toEqual([])
  }
})
