import { expect, test } from 'vitest'
import { components } from '../../../functions/components.ts'
import { natsUsersFile, natsUsersOf } from '../../../knative/nats-users.ts'

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

test('natsUsersFile() takes each password from the environment, and says none', () => {
  const text = natsUsersFile(users)
  expect(text).toContain('"password": $STREAM_HUB_NATS_PASSWORD')
  const json = `{${text.replaceAll(/: (\$[A-Z_]+)/g, ': "$1"')}}`
  expect(JSON.parse(json)).toMatchObject({
    authorization: { users: users.map(({ name, permissions }) => ({ user: name, permissions })) },
  })
})
