/** The console as it is served; what it shows is tested in a browser (`test/platform/console.test.ts`). */
import { posix } from 'node:path'
import { describe } from 'vitest'
import { testWith } from './world.ts'

const test = testWith().extend<{ get(path: string, headers?: Record<string, string>): Promise<Response> }>({
  get: async ({ opened }, use) => use(async (path, headers = {}) => opened.app.request(path, { headers })),
})

const YEAR = 'public, max-age=31536000'

function addressesIn(page: string): string[] {
  return [...page.matchAll(/(?:href|src)="(\/console\/[^"]+)"/g)].map(([, address]) => address ?? '')
}

function importsIn(module: string): string[] {
  return [...module.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([\w@./-]+)['"]/g)].map(
    ([, name]) => name ?? '',
  )
}

describe('GET /console', () => {
  test('loads nothing from elsewhere, and runs nothing that stands in it', async ({ get, expect }) => {
    const response = await get('/console')
    const page = await response.text()
    const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page) ?? []
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
      ]),
    )
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(page).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|\/\/[a-z]/)
    expect(response.headers.get('content-security-policy')).toBe("frame-ancestors 'none'")
  })

  test('names files that are kept for a year, and each module finds what it imports', async ({
    get,
    expect,
  }) => {
    const named = addressesIn(await (await get('/console')).text())
    const seen = new Set<string>()
    for (const address of named) await follow(address)
    expect([...seen].some((address) => address.endsWith('/library/uplot.js'))).toBe(true)

    async function follow(address: string): Promise<void> {
      if (seen.has(address)) return
      seen.add(address)
      const response = await get(address)
      const text = await response.text()
      expect(response.status, address).toBe(200)
      expect(response.headers.get('cache-control')).toBe(YEAR)
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      const isStyle = address.includes('/styles/')
      expect(response.headers.get('content-type')).toMatch(isStyle ? /^text\/css/ : /^text\/javascript/)
      if (isStyle) return
      expect(text, address).not.toContain('import type')
      for (const name of importsIn(text)) {
        expect(name, address).toMatch(/^\.\.?\//)
        await follow(posix.join(posix.dirname(address), name))
      }
    }
  })

  test('has nothing at other versions, and nothing outside of its folders', async ({ get, expect }) => {
    const [address = ''] = addressesIn(await (await get('/console')).text())
    const base = address.split('/').slice(0, 3).join('/')
    const missing = [
      '/console/0000000000000000/core/main.ts',
      `${base}/core/none.ts`,
      `${base}/__proto__/toString`,
      `${base}/core/..%2F..%2Ffiles.ts`,
      `${base}/..%2Fpage/tsconfig.json`,
      `${base}/styles/main.ts`,
    ]
    for (const path of missing) expect((await get(path)).status, path).toBe(404)
  })

  test('answers 304 to who has a file', async ({ get, expect }) => {
    const [address = ''] = addressesIn(await (await get('/console')).text())
    const { headers } = await get(address)
    expect((await get(address, { 'if-none-match': headers.get('etag') ?? '' })).status).toBe(304)
  })
})
