/** The official client of OpenAI on the whole platform: a key, the gateway, the hub, the pool and the real models. */
import OpenAI from 'openai'
import { expect } from 'vitest'
import { test } from './world.ts'

test('a client of OpenAI asks the real models with an API key', async ({ newTenant, url }) => {
  const { apiKey } = await newTenant()
  const client = new OpenAI({ apiKey, baseURL: `${url}/v1` })
  const models = await Array.fromAsync(client.models.list())
  const [chat, embedding] = ['chat', 'embedding'].map(
    (kind) => models.find((model) => 'kind' in model && model.kind === kind)?.id ?? '',
  )
  const asked = {
    model: chat ?? '',
    messages: [{ role: 'user' as const, content: 'What is a house?' }],
    max_tokens: 16,
    temperature: 0,
  }
  const whole = await client.chat.completions.create(asked)
  const stream = await client.chat.completions.create({ ...asked, stream: true })
  const chunks = await Array.fromAsync(stream)
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
  expect(text.length).toBeGreaterThan(0)
  expect(whole.choices[0]?.message.content?.length).toBeGreaterThan(0)
  expect(whole.usage?.completion_tokens).toBeLessThanOrEqual(16)
  const { data } = await client.embeddings.create({ model: embedding ?? '', input: ['a cat', 'a kitten'] })
  expect(data.map(({ embedding: vector }) => vector.length)).toEqual([384, 384])
})
