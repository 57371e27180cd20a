/**
 * Serves an engine by the OpenAI protocol: chat completions, with vLLM's `continue_final_message`, and embeddings. It
 * cuts its answers into odd pieces, as networks do, and gives vectors in another order than it was asked for them.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EngineFailure, type Engine, type Prefix } from '../../../gpu-workers/engines/engine.ts'
import type { ChatRequest } from '../../../shared/inference/messages.ts'

export interface OpenAiServer {
  /** What goes into `INFERENCE_BASE_URL`. */
  readonly baseUrl: string
  close(): Promise<void>
}

interface Body {
  messages: ChatRequest['messages']
  max_tokens: number
  temperature: number
  seed?: number
  continue_final_message?: boolean
}

interface EmbeddingsBody {
  model: string
  input: string[]
}

export async function openOpenAiServer(engine: Engine): Promise<OpenAiServer> {
  const server = createServer((request, response) => void answer(engine, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer(engine: Engine, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort(new Error('the client is gone')))
  const { signal } = gone
  try {
    const body = await readBody(request)
    if (request.url === '/v1/embeddings') await embed(engine, body as EmbeddingsBody, response, signal)
    else await complete(engine, body as Body, response, signal)
  } catch (error) {
    if (!response.headersSent) response.writeHead(error instanceof EngineFailure && !error.retry ? 400 : 500)
    response.end()
  }
}

async function embed(
  engine: Engine,
  { input, model: asked }: EmbeddingsBody,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { vectors, tokens, model } = await engine.embed(input, { signal })
  if (asked !== model) return void response.writeHead(404).end()
  const data = vectors.map((vector, index) => ({ object: 'embedding', index, embedding: [...vector] }))
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ model, data: data.toReversed(), usage: { prompt_tokens: tokens } }))
}

async function complete(
  engine: Engine,
  body: Body,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { inference, prefix } = readRequest(body)
  const options = { signal, ...(prefix === undefined ? {} : { prefix }) }
  for await (const output of engine.generate(inference, options)) {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (output.kind === 'chunk') write(response, { choices: [{ delta: { content: output.text } }] })
    else if (output.kind === 'end') {
      const { prompt, completion } = output.usage
      write(response, { choices: [{ delta: {}, finish_reason: output.reason }] })
      write(response, { choices: [], usage: { prompt_tokens: prompt, completion_tokens: completion } })
    }
  }
  response.end('data: [DONE]\n\n')
}

function readRequest(body: Body): { inference: ChatRequest; prefix?: Prefix } {
  const { max_tokens: maxTokens, temperature, seed } = body
  const last = body.messages.at(-1)
  const isContinued = body.continue_final_message === true && last !== undefined
  const messages = isContinued ? body.messages.slice(0, -1) : body.messages
  const inference = { messages, maxTokens, temperature, ...(seed === undefined ? {} : { seed }) }
  return isContinued ? { inference, prefix: { text: last.content, tokens: 0 } } : { inference }
}

function write(response: ServerResponse, event: unknown): void {
  const bytes = Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
  for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7))
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return JSON.parse(Buffer.concat(parts).toString())
}
