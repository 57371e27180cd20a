/** What tools answer: text for models, and the same as data. */
import type { CallToolResult } from '@modelcontextprotocol/server'

/** What a tool answered: `text` is for the model, `data` for the program. */
export function answered(text: unknown, data: object): CallToolResult {
  return { content: [{ type: 'text', text: asText(text) }], structuredContent: { ...data } }
}

/** A failure of a tool, as problem details. */
export function failed(problem: object): CallToolResult {
  const {
    code = '',
    message = '',
    suggestion,
  } = problem as { code?: string; message?: string; suggestion?: string }
  const text = `${code}: ${message}${suggestion === undefined ? '' : `. ${suggestion}`}`
  return { content: [{ type: 'text', text }], structuredContent: { ...problem }, isError: true }
}

/** Work that goes on: where to look after it. */
export function stillRunning(job: { id: string; status: string }): CallToolResult {
  const self = `/v1/jobs/${job.id}`
  const result = answered(`The work goes on as job ${job.id}: GET ${self} has its result once it has ended`, {
    job,
    links: { self, stream: `${self}/stream` },
  })
  return { ...result, _meta: { 'io.kgents/job': job.id } }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 1) ?? '')
}
