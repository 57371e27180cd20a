import { expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { secretsFor } from '../../../shared/contract/needs.ts'
import { variablesTable } from '../../../knative/variables.ts'
import { variablesOf } from '../../../shared/contract/variables.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'

const rows = variablesTable(catalog, components)
  .split('\n')
  .slice(2)
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
const rowOf = (name: string) => rows.find(([cell]) => cell === `\`${name}\``) ?? []
const all = [...variablesOf(FunctionConfig), ...components.flatMap(({ variables }) => variables)]

test('variablesTable() has each variable of functions and parts once, in the order of names', () => {
  const names = rows.map(([name = '']) => name.replaceAll('`', ''))
  expect(names).toEqual([...new Set(all.map(({ name }) => name))].sort())
})

test('variablesTable() says where a cluster keeps each secret that somebody gets, and calls nothing else one', () => {
  const functionSecrets = secretsFor(catalog.flatMap(({ needs }) => needs))
  const secrets = new Set([...functionSecrets, ...components.flatMap((each) => each.secrets)])
  for (const [name = '', , place = ''] of rows)
    expect(place.startsWith('secret '), name).toBe(secrets.has(name.replaceAll('`', '')))
  expect(rowOf('NATS_URL')[2]).toContain('`RELAY_NATS_URL`, `STREAM_HUB_NATS_URL`')
  expect(rowOf('STRIPE_API_KEY')[1]).toBe('`billing`, `stripe-webhooks`')
  expect(rowOf('LOG_LEVEL')[1]).toBe('all')
})

test('a variable means the same to all who read it', () => {
  for (const [name, same] of Map.groupBy(all, ({ name }) => name))
    expect(new Set(same.map(({ description }) => description)).size, name).toBe(1)
})
