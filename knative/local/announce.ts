/** What a person sees when the platform is ready: that it is, three calls to try, and where its page is. */
import { isAbsolute, relative } from 'node:path'
import type { Inference } from './infrastructure.ts'
import type { DevFile } from './tenants.ts'

export interface Announcement {
  dev: DevFile
  inference: Inference
  /** Where the gateway exposes its metrics. */
  statusPort: number
  state: string
}

export function announce({ dev: { url, tenants }, inference, statusPort, state }: Announcement): string {
  const key = `-H 'X-API-Key: ${tenants.acme.apiKey}'`
  const json = `-H 'Content-Type: application/json'`
  const folder = toShortPath(state)
  const lines = [
    '',
    `kgents is ready at ${url}   (keys in ${folder}/dev.json, logs in ${folder}/logs, metrics at http://localhost:${statusPort}/metrics)`,
    '',
    `curl -s ${url}/v1/agentese/void/entropy/sip ${key} ${json} -d '{"amount": 0.1}'`,
    `curl -s ${url}/v1/agentese/discover ${key}`,
    `curl -sN ${url}/v1/agentese/self/soul/dialogue ${key} ${json} -H 'Accept: text/event-stream' -d '{"message": "What is worth building?"}'`,
    '',
    `${url}/console is the page of the platform: sign in with a key of dev.json; that of tenant "platform" operates it`,
    '',
  ]
  if (inference.engine === 'none') {
    lines.push(
      `There is no model: ${inference.reason}. Paths that need one answer 503.`,
      `${inference.suggestion}, and start again.`,
      '',
    )
  }
  return lines.join('\n')
}

/** From where the person is, if the folder lies below that. */
function toShortPath(folder: string): string {
  const path = relative(process.cwd(), folder)
  return path === '' ? '.' : path.startsWith('..') || isAbsolute(path) ? folder : path
}
