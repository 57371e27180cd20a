/**
 * What a contract declares, its handler has, and nothing else. Each case does not compile, which `tsc` checks by the
 * comment above its handler, and fails clearly where a handler gets around the types.
 */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { nothingPending } from '../../../shared/calls/call-parts.ts'
import { createCall } from '../../../shared/calls/create-call.ts'
import { deadlineOf } from '../../../shared/calls/deadline.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import {
  defineOperation,
  route,
  trigger,
  tick,
  type AnyRoute,
} from '../../../shared/contract/define-operation.ts'
import type { AnyAspect } from '../../../shared/contract/aspect.ts'
import type { FunctionDefinition } from '../../../shared/contract/function.ts'
import { NEEDS, secretsFor } from '../../../shared/contract/needs.ts'
import { catalog } from '../../../functions/catalog.ts'
import { UNLIMITED } from '../../../shared/plans/unlimited.ts'

const ROUTE = {
  route: 'POST /v1/houses',
  summary: 'A route',
  scopes: [],
  input: NoInput,
  output: z.unknown(),
} as const
const ASPECT = {
  archetypes: 'all',
  summary: 'A verb',
  effects: [],
  input: NoInput,
  output: z.unknown(),
  examples: [],
} as const

/** By the member that the handler takes without having declared it. */
const UNDECLARED: Record<string, { member: string; why: RegExp; contract: AnyRoute | AnyAspect }> = {
  'rows without postgres': {
    member: 'db',
    why: /need "postgres"/,
    contract: route({
      ...ROUTE,
      // @ts-expect-error -- the route does not need postgres
      handle: (_input, { db }) => db,
    }),
  },
  'a transaction without postgres': {
    member: 'transact',
    why: /need "postgres"/,
    contract: route({
      ...ROUTE,
      transaction: false,
      // @ts-expect-error -- the route does not need postgres
      handle: (_input, { transact }) => transact,
    }),
  },
  'a model without inference': {
    member: 'infer',
    why: /need "inference"/,
    contract: aspect({
      ...ASPECT,
      category: 'M',
      // @ts-expect-error -- the aspect does not need inference
      handle: (_input, { infer }) => infer,
    }),
  },
  'a token without tokens': {
    member: 'issueToken',
    why: /need "tokens"/,
    contract: route({
      ...ROUTE,
      needs: ['postgres'],
      // @ts-expect-error -- the route does not need tokens
      handle: (_input, { issueToken }) => issueToken,
    }),
  },
  'the box of secrets without secrets': {
    member: 'secretBox',
    why: /need "secrets"/,
    contract: aspect({
      ...ASPECT,
      category: 'M',
      needs: ['inference', 'outside'],
      // @ts-expect-error -- the aspect does not need secrets
      handle: (_input, { secretBox }) => secretBox,
    }),
  },
  'requests to the outside without outside': {
    member: 'requestOutside',
    why: /need "outside"/,
    contract: aspect({
      ...ASPECT,
      category: 'M',
      needs: ['secrets'],
      transaction: false,
      // @ts-expect-error -- the aspect does not need outside
      handle: (_input, { requestOutside }) => requestOutside,
    }),
  },
  'other functions without functions': {
    member: 'dispatch',
    why: /need "functions"/,
    contract: route({
      ...ROUTE,
      needs: ['catalog'],
      // @ts-expect-error -- the route does not need functions
      handle: (_input, { dispatch }) => dispatch,
    }),
  },
  'events from a perception': {
    member: 'emit',
    why: /need "events"/,
    contract: aspect({
      ...ASPECT,
      category: 'P',
      // @ts-expect-error -- a perception tells nobody
      handle: (_input, { emit }) => emit,
    }),
  },
  'charges from a perception': {
    member: 'charge',
    why: /may not change anything/,
    contract: aspect({
      ...ASPECT,
      category: 'P',
      // @ts-expect-error -- a perception changes no ledger
      handle: (_input, { charge }) => charge,
    }),
  },
  'changes of state from entropy': {
    member: 'changed',
    why: /need "events"/,
    contract: aspect({
      ...ASPECT,
      category: 'E',
      // @ts-expect-error -- entropy moves ledgers and nothing else
      handle: (_input, { changed }) => changed,
    }),
  },
  'events from a route that does not write': {
    member: 'emit',
    why: /may not change anything/,
    contract: route({
      ...ROUTE,
      needs: ['postgres', 'events'],
      // @ts-expect-error -- the route does not write
      handle: (_input, { emit }) => emit,
    }),
  },
  'rows without a transaction': {
    member: 'db',
    why: /no transaction/,
    contract: aspect({
      ...ASPECT,
      category: 'M',
      transaction: false,
      // @ts-expect-error -- the aspect does without a transaction
      handle: (_input, { db }) => db,
    }),
  },
  'a transaction in a transaction': {
    member: 'transact',
    why: /open already/,
    contract: aspect({
      ...ASPECT,
      category: 'M',
      // @ts-expect-error -- the aspect has a transaction
      handle: (_input, { transact }) => transact,
    }),
  },
  'rows of an aspect that guests may call': {
    member: 'db',
    why: /need "postgres"/,
    contract: aspect({
      ...ASPECT,
      category: 'I',
      guests: true,
      // @ts-expect-error -- a guest has no tenant
      handle: (_input, { db }) => db,
    }),
  },
  'the caller of a route that anybody may call': {
    member: 'identity',
    why: /nobody need be known/,
    contract: route({
      ...ROUTE,
      auth: 'none',
      // @ts-expect-error -- anybody may call the route
      handle: (_input, { identity }) => identity,
    }),
  },
}

function functionOf(contract: AnyRoute | AnyAspect): FunctionDefinition {
  return 'category' in contract
    ? defineNode('world.house', { summary: 'A node', aspects: { manifest: contract } })
    : defineOperation({ name: 'houses', summary: 'Houses', routes: { look: contract } })
}

/** Calls the handler as the pipeline does, with everything there that its contract could give. */
function run(definition: FunctionDefinition): unknown {
  const [endpoint] = definition.endpoints.filter(({ name }) => /manifest|look/.test(name))
  if (endpoint === undefined) throw new Error('There is no endpoint')
  const { needs, writes, transaction, auth } = endpoint
  // Only as far as a call looks at it.
  const runtime = { platform: {}, log: {}, eventKey: 'key' } as unknown as Runtime
  const call = createCall({
    id: 'call',
    runtime,
    function: definition,
    needs,
    path: endpoint.name,
    identity:
      auth === 'required'
        ? { tenant: 't', tier: 'free', plan: UNLIMITED, user: 'u', roles: [], permissions: [] }
        : undefined,
    observer: undefined,
    db: transaction ? ({} as never) : undefined,
    pending: nothingPending(),
    mayWrite: writes,
    trace: { traceId: '', spanId: '', sampled: false },
    deadline: deadlineOf(new AbortController().signal),
  })
  return endpoint.handle({}, call)
}

describe('a handler', () => {
  test.for(Object.entries(UNDECLARED))('is not given %s', ([, { member, why, contract }]) => {
    const attempt = () => run(functionOf(contract))
    expect(attempt).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(attempt).toThrow(why)
    expect(attempt).toThrow(`Cannot give "${member}" to `)
  })

  test('is given what its contract declares', () => {
    const given = [
      route({ ...ROUTE, needs: ['postgres'], handle: (_input, { db, identity }) => [db, identity] }),
      route({
        ...ROUTE,
        needs: ['postgres', 'events'],
        writes: true,
        handle: (_input, { db, charge, emit, passOn, changed }) => [db, charge, emit, passOn, changed],
      }),
      route({
        ...ROUTE,
        needs: ['postgres', 'events'],
        transaction: false,
        handle: (_input, { transact }) => [
          () => transact('write', async ({ db, emit }) => [db, emit]),
          // @ts-expect-error -- a transaction that reads tells nobody
          () => transact('read', async ({ db, emit }) => [db, emit]),
          // @ts-expect-error -- nor does a transaction give what the route does not need
          () => transact('write', async ({ secretBox }) => secretBox),
        ],
      }),
      aspect({ ...ASPECT, category: 'P', handle: (_input, { db, holon }) => [db, holon] }),
      aspect({ ...ASPECT, category: 'E', handle: (_input, { db, charge }) => [db, charge] }),
      aspect({
        ...ASPECT,
        category: 'G',
        handle: (_input, { db, charge, emit, changed }) => [db, charge, emit, changed],
      }),
    ]
    for (const contract of given) expect(run(functionOf(contract))).not.toContain(undefined)
  })

  test('of an event or of a tick is given what it declares, too', () => {
    trigger({
      name: 'painted',
      attributes: {},
      data: z.object({}),
      // @ts-expect-error -- the trigger does not need postgres
      handle: async (_data, { db }) => void db,
    })
    tick({
      tenants: 'tenants_with_houses',
      needs: ['postgres'],
      // @ts-expect-error -- the tick does not need events
      handle: async ({ db, emit }) => void [db, emit],
    })
    const wakes = tick({
      tenants: 'tenants_with_houses',
      needs: ['events'],
      handle: async ({ emit }) => void emit,
    })
    const definition = defineOperation({ name: 'houses', summary: 'Houses', routes: {}, tick: wakes })
    expect(definition.needs).toEqual(['postgres', 'events'])
  })
})

describe('needs', () => {
  test('of a function are those of its handlers, and what it takes to let callers in', () => {
    const needsOf = (name: string) => catalog.find((each) => each.name === name)?.needs
    expect(needsOf('json-web-keys')).toEqual(['public-keys'])
    expect(needsOf('issue-token')).toEqual([
      'postgres',
      'events',
      'sign-in',
      'tokens',
      'destinations',
      'outside',
      'any-tenant',
      'redis',
    ])
    expect(needsOf('void-entropy')).toEqual(['postgres', 'events', 'catalog', 'redis'])
    expect(needsOf('world-tool')).toEqual(['postgres', 'events', 'catalog', 'secrets', 'outside', 'redis'])
  })

  test('bring the secrets that they take, and each secret its functions alone', () => {
    const holders = (secret: string) =>
      catalog.filter(({ needs }) => secretsFor(needs).includes(secret)).map(({ name }) => name)
    expect(holders('PLATFORM_SIGNING_KEY')).toEqual(['issue-token'])
    expect(holders('TOOL_SECRET_KEY')).toEqual(['sso-sign-in', 'sso-providers', 'world-tool'])
    expect(holders('WEBHOOK_SIGNING_KEY')).toEqual(['dead-letters', 'subscriptions'])
    expect(holders('CLICKHOUSE_URL')).toEqual(['traces'])
    expect(holders('DISPATCH_SIGNING_KEY')).toEqual([
      'logos',
      'time-trace',
      'time-schedule',
      'world-agent',
      'mcp',
      'jobs',
      'event-mappings',
    ])
    expect(holders('EVENT_SIGNING_KEY')).not.toContain('health')
    expect(secretsFor(['postgres', 'jobs', 'inference'])).toEqual(['DATABASE_URL', 'EVENT_SIGNING_KEY'])
  })

  test('give each member of a call once', () => {
    const members = Object.values(NEEDS).flatMap(({ gives }) => [...gives])
    expect(new Set(members).size).toBe(members.length)
  })
})
