/** Lets browsers know which sites may call, and answers their preflight requests. */
import { z } from 'zod'
import type { Answer, CreatePlugin, Exchange } from '../plugin.ts'

const Config = z.strictObject({
  origins: z.array(z.string()).min(1),
  methods: z.array(z.string()),
  headers: z.array(z.string()),
  exposed_headers: z.array(z.string()),
  credentials: z.literal(false),
  max_age: z.int(),
  preflight_continue: z.literal(false),
})

export const createCors: CreatePlugin = (config) => {
  const { origins, methods, headers, exposed_headers, max_age } = Config.parse(config)
  const allowed = new Set(origins)
  const exposed = exposed_headers.join(',')
  const preflight = {
    'access-control-allow-methods': methods.join(','),
    'access-control-allow-headers': headers.join(','),
    'access-control-max-age': String(max_age),
    'content-length': '0',
  }

  function allow(origin: string, answerHeaders: Record<string, string>): void {
    if (allowed.has('*')) {
      answerHeaders['access-control-allow-origin'] = '*'
      return
    }
    answerHeaders['vary'] = 'Origin'
    if (allowed.has(origin)) answerHeaders['access-control-allow-origin'] = origin
  }

  function access({ request, method, answerHeaders }: Exchange): Answer | undefined {
    const { origin } = request.headers
    if (origin === undefined) return undefined
    allow(origin, answerHeaders)
    if (method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
      return { status: 200, headers: preflight }
    }
    answerHeaders['access-control-expose-headers'] = exposed
    return undefined
  }

  return { access }
}
