/** The official client of OpenAI for JavaScript, on the hub and all functions. */
import OpenAI from 'openai'
import { describe } from 'vitest'
import { requestOf, test } from './openai-world.ts'

const MODEL = 'smollm2-135m-instruct'
const HELLO = { model: MODEL, messages: [{ role: 'user' as const, content: 'Say hello' }] }
const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'weather',
    description: 'How it is outside',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

describe('chat.completions.create()', () => {
  test('answers, with what it took, and the tenant is charged for it', async ({ world, acme, expect }) => {
    world.model = (_message, say) => (say('Hel', 'lo'), {})
    const { data, response } = await acme.client.chat.completions.create(HELLO).withResponse()
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
    })
    const job = response.headers.get('x-kgents-job') ?? ''
    expect(data.id).toBe(`chatcmpl-${job}`)
    expect((await world.jobWith('completed', job)).charges).toEqual({ tokens: 12 })
  })
})
