/** The catalogue of models: names, plans, lengths and prices. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { costUsd, findModel, listModels, setCatalogue } from '../../../shared/models/catalogue.ts'
import { checkRequest } from '../../../shared/models/check-request.ts'
import { Models } from '../../../shared/models/model.ts'

const free = { prompt: 0, completion: 0 }
const models = Models.parse([
  {
    id: 'small',
    kind: 'chat',
    ownedBy: 'us',
    contextTokens: 100,
    pricePerMillion: { prompt: 1, completion: 2 },
  },
  {
    id: 'large',
    kind: 'chat',
    ownedBy: 'us',
    contextTokens: 1000,
    pricePerMillion: free,
    features: ['tools', 'json_schema'],
    plans: ['pro', 'team', 'enterprise'],
  },
  { id: 'vectors', kind: 'embedding', ownedBy: 'us', contextTokens: 512, pricePerMillion: free },
])
const ask = (content: string, more = {}) => ({
  messages: [{ role: 'user' as const, content }],
  maxTokens: 1,
  temperature: 0,
  ...more,
})

beforeEach(() => setCatalogue(models))
afterEach(() => setCatalogue())

describe('findModel()', () => {
  test('takes the first one of its kind where none is named', () => {
    expect(findModel(undefined, 'free').id).toBe('small')
    expect(findModel(undefined, 'free', 'embedding').id).toBe('vectors')
  })

  test('refuses a name that no model has, and names those that there are', () => {
    expect(() => findModel('gpt-9', 'free')).toThrow(
      expect.objectContaining({
        code: 'NOT_FOUND',
        facts: expect.objectContaining({ available: ['small'] }),
      }),
    )
    expect(() => findModel('vectors', 'free')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })

  test('refuses a model that the plan does not have, and says which plan has it', () => {
    expect(() => findModel('large', 'free')).toThrow(
      expect.objectContaining({
        code: 'TIER_REQUIRED',
        facts: expect.objectContaining({ details: { model: 'large', tier: 'free', smallest_plan: 'pro' } }),
      }),
    )
    expect(findModel('large', { id: 'team' }).id).toBe('large')
  })
})

test('listModels() lists what the plan may use, in the order of the catalogue', () => {
  expect(listModels('free').map(({ id }) => id)).toEqual(['small', 'vectors'])
  expect(listModels('pro').map(({ id }) => id)).toEqual(['small', 'large', 'vectors'])
})

test('costUsd() is price times tokens, and unknown of a model that is in the catalogue no more', () => {
  expect(costUsd('small', { prompt: 500_000, completion: 250_000 })).toBe(1)
  expect(costUsd('gone', { prompt: 1, completion: 1 })).toBeUndefined()
})

describe('checkRequest()', () => {
  test('refuses a prompt that no tokenizer could fit into the context, with limit and count', () => {
    expect(() => checkRequest(ask('x'.repeat(1600)), 'free')).toThrow(
      expect.objectContaining({
        code: 'INFERENCE_REFUSED',
        message: 'Cannot ask model "small": the prompt has at least 100 tokens, and its context holds 100',
      }),
    )
    expect(checkRequest(ask('x'.repeat(1500)), 'free').id).toBe('small')
  })

  test('refuses tools and schemas that the model does not take', () => {
    const tools = [{ name: 'look', parameters: {} }]
    expect(() => checkRequest(ask('Hi', { tools }), 'free')).toThrow(/takes no tools/)
    expect(() => checkRequest(ask('Hi', { responseSchema: {} }), 'free')).toThrow(/no JSON schema/)
    expect(checkRequest(ask('Hi', { tools, model: 'large' }), 'pro').id).toBe('large')
  })
})

test('a catalogue has each id once, and a model that answers', () => {
  expect(Models.safeParse([models[0], models[0]]).success).toBe(false)
  expect(Models.safeParse([models[2]]).success).toBe(false)
  expect(Models.safeParse([{ ...models[0], pricePerMillion: { prompt: -1, completion: 0 } }]).success).toBe(
    false,
  )
})
