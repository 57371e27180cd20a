/** The Responses API of OpenAI, by its official client for JavaScript. */
import { expect } from 'vitest'
import { requestOf, test } from './openai-world.ts'

const MODEL = 'smollm2-135m-instruct'
const HELLO = { model: MODEL, input: 'Say hello' }

function jobOf(id = ''): string {
  const hex = id.slice('resp_'.length)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

test('responses.create() answers, and the next one goes on from it', async ({ world, acme }) => {
  world.model = (_message, say) => (say('Hello'), {})
  const first = await acme.client.responses.create({ ...HELLO, instructions: 'Be kind' })
  expect(first).toMatchObject({
    object: 'response',
    status: 'completed',
    model: MODEL,
    output_text: 'Hello',
    instructions: 'Be kind',
    usage: { input_tokens: 5, output_tokens: 7, total_tokens: 12 },
  })
  const second = await acme.client.responses.create({
    ...HELLO,
    input: 'Again',
    previous_response_id: first.id,
  })
  expect(second.previous_response_id).toBe(first.id)
  expect(requestOf(world.last).messages).toEqual([
    { role: 'user', content: 'Say hello' },
    { role: 'assistant', content: 'Hello' },
    { role: 'user', content: 'Again' },
  ])
  expect(await acme.client.responses.retrieve(first.id)).toMatchObject({ id: first.id, output_text: 'Hello' })
})

test('responses.create() refuses to go on from more messages than a conversation may have', async ({
  world,
  acme,
}) => {
  world.model = (_message, say) => (say('Hello'), {})
  const input = Array.from({ length: 1999 }, () => ({ role: 'user' as const, content: 'Hi' }))
  const first = await acme.client.responses.create({ ...HELLO, input })
  const next = acme.client.responses.create({ ...HELLO, previous_response_id: first.id })
  await expect(next).rejects.toThrow(/2001 messages, and 2000 is the most/)
})

test('responses.create() takes calls of tools and their answers', async ({ world, acme }) => {
  const call = { id: 'call_1', name: 'weather', arguments: '{}' }
  world.model = () => ({ finishReason: 'tool_calls', toolCalls: [call] })
  const tool = { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: false }
  const first = await acme.client.responses.create({ ...HELLO, tools: [tool] })
  expect(first.output).toMatchObject([{ type: 'function_call', call_id: 'call_1', name: 'weather' }])
  world.model = (_message, say) => (say('Cold'), {})
  const answer = { type: 'function_call_output' as const, call_id: 'call_1', output: '-3' }
  await acme.client.responses.create({ ...HELLO, input: [answer], previous_response_id: first.id })
  expect(requestOf(world.last).messages.slice(1)).toEqual([
    { role: 'assistant', content: '', toolCalls: [call] },
    { role: 'tool', content: '-3', toolCallId: 'call_1' },
  ])
})

test('a stream of a response can be taken up behind any event of it, also when its log is gone', async ({
  world,
  acme,
}) => {
  const rest = Promise.withResolvers<void>()
  world.model = async (_message, say) => {
    say('Hel', 'lo')
    await rest.promise
    say(' you')
    return {}
  }
  const stream = await acme.client.responses.create({ ...HELLO, stream: true })
  let text = ''
  let [id, last] = ['', -1]
  for await (const event of stream) {
    last = event.sequence_number
    if (event.type === 'response.created') ({ id } = event.response)
    if (event.type === 'response.output_text.delta') text += event.delta
    if (text === 'Hello') break
  }
  rest.resolve()
  await world.jobWith('completed', jobOf(id))
  const resume = async () =>
    Array.fromAsync(await acme.client.responses.retrieve(id, { stream: true, starting_after: last }))
  const events = await resume()
  expect(events.flatMap((each) => (each.type === 'response.output_text.delta' ? [each.delta] : []))).toEqual([
    ' you',
  ])
  expect(events.every(({ sequence_number }) => sequence_number > last)).toBe(true)
  expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { id, status: 'completed' } })
  await world.loseLog(acme, jobOf(id))
  expect(await resume()).toContainEqual(
    expect.objectContaining({ type: 'response.output_text.done', text: 'Hello you' }),
  )
})

test('a response in the background is read as it goes, and cancelled', async ({ world, acme }) => {
  const rest = Promise.withResolvers<void>()
  world.model = async () => (await rest.promise, {})
  const { id, status } = await acme.client.responses.create({ ...HELLO, background: true })
  expect(status).toBe('queued')
  expect((await acme.client.responses.cancel(id)).status).toBe('cancelled')
  expect((await acme.client.responses.retrieve(id)).status).toBe('cancelled')
  rest.resolve()
})

test('a response is for who has asked for it, until it is deleted, and where it was to be kept', async ({
  world,
  acme,
}) => {
  world.model = (_message, say) => (say('Hello'), {})
  const globex = await world.caller()
  const { id } = await acme.client.responses.create(HELLO)
  const gone = { status: 404, code: 'not_found' }
  await expect(globex.client.responses.retrieve(id)).rejects.toMatchObject(gone)
  await expect(globex.client.responses.cancel(id)).rejects.toMatchObject(gone)
  await expect(globex.client.responses.delete(id)).rejects.toMatchObject(gone)
  const goesOn = globex.client.responses.create({ ...HELLO, previous_response_id: id })
  await expect(goesOn).rejects.toMatchObject(gone)
  await acme.client.responses.delete(id)
  await expect(acme.client.responses.retrieve(id)).rejects.toMatchObject(gone)
  expect(await world.owner`select call::text, result, text from jobs where id = ${jobOf(id)}`).toEqual([
    { call: expect.not.stringContaining('Say hello'), result: null, text: null },
  ])
  const { id: unkept } = await acme.client.responses.create({ ...HELLO, store: false })
  await expect(acme.client.responses.retrieve(unkept)).rejects.toMatchObject(gone)
  await expect(acme.client.responses.retrieve('resp_1')).rejects.toMatchObject(gone)
})
