/** What a person sees when the platform is ready: that it is, and three calls to try. */
import type { Inference } from './infrastructure.ts'
import type { DevFile } from './tenants.ts'

export function announce({ url, tenants }: DevFile, inference: Inference, statusPort: number): string {
  const key = `-H 'X-API-Key: ${tenants.acme.apiKey}'`
  const json = `-H 'Content-Type: application/json'`
  const lines = [
    '',
    `kgents is ready at ${url}   (keys in .kgents/dev.json, logs in .kgents/logs, metrics at http://localhost:${statusPort}/metrics)`,
    '',
    `curl -s ${url}/v1/agentese/void/entropy/sip ${key} ${json} -d '{"amount": 0.1}'`,
    `curl -s ${url}/v1/agentese/discover ${key}`,
    `curl -sN ${url}/v1/agentese/self/soul/dialogue ${key} ${json} -H 'Accept: text/event-stream' -d '{"message": "What is worth building?"}'`,
    '',
  ]
  if (inference.engine === 'none') {
    lines.push(
      `There is no model: ${inference.reason}. Paths that need one answer 503.`,
      'Set INFERENCE_BASE_URL to an OpenAI-compatible server, or MODEL_PATH to a GGUF file, and start again.',
      '',
    )
  }
  return lines.join('\n')
}
