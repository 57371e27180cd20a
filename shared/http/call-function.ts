/** Calls a function by its name, inside the cluster or through the stand-in's ingress. */
import { Agent, request } from 'node:http'
import { Failure } from '../failures.ts'
import { hostOf } from './host-of.ts'

export interface FunctionRequest {
  method: string
  path: string
  headers: Record<string, string>
  body?: string | Uint8Array
  signal: AbortSignal
}

export interface FunctionResponse {
  status: number
  headers: NodeJS.Dict<string | string[]>
  body: string
}

export type CallFunction = (name: string, call: FunctionRequest) => Promise<FunctionResponse>

/**
 * Makes the caller. Connections are kept open between calls.
 *
 * @param ingress `host:port` that answers for all functions; absent where cluster DNS finds them
 */
export function createFunctionCaller(ingress?: string): CallFunction {
  /** Made with the first call: it loads an HTTP client. */
  let agent: Agent | undefined
  const [hostname, port] = ingress?.split(':') ?? []
  return (name, { method, path, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const host = hostOf(name)
      const outgoing = request(
        {
          agent: (agent ??= new Agent({ keepAlive: true, maxSockets: 256 })),
          signal,
          method,
          path,
          host: hostname ?? host,
          port: port ?? 80,
          headers: { ...headers, host },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', (cause) => reject(unavailable(name, cause)))
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 502,
              headers: response.headers,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          )
        },
      )
      outgoing.on('error', (cause) => reject(unavailable(name, cause)))
      outgoing.end(body)
    })
}

function unavailable(name: string, cause: Error): Failure {
  return new Failure('DEPENDENCY_UNAVAILABLE', `Cannot reach function "${name}"`, {
    retryAfterSeconds: 1,
    cause,
  })
}
