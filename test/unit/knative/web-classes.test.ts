/** In processes of their own: what one has loaded stays loaded. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'

const MODULE = fileURLToPath(new URL('../../../knative/bundle/web-classes.ts', import.meta.url))

/** Runs `statements` with `web` and `isLoaded()`; what they return. */
function run(statements: string): unknown {
  const script = `import { web } from ${JSON.stringify(MODULE)}
    const isLoaded = () => process.moduleLoadList.some((name) => name.endsWith('undici/undici'))
    const result = await (async () => { ${statements} })()
    process.stdout.write(JSON.stringify(result))`
  const args = ['--input-type=module', '--eval', script]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

test("web classes are extended and compared without loading Node's", ({ expect }) => {
  const statements = `
    class Light extends web.Response {}
    class Own { get status() { return 201 } }
    Object.setPrototypeOf(Own, web.Response)
    Object.setPrototypeOf(Own.prototype, web.Response.prototype)
    const own = new Own()
    const compared = [{} instanceof web.Headers, own instanceof web.Response, own instanceof Own, {} instanceof Light]
    await own
    return { compared, status: own.status, loaded: isLoaded() }`
  expect(run(statements)).toEqual({ compared: [false, true, true, false], status: 201, loaded: false })
})

test("web classes become Node's when they are used", ({ expect }) => {
  const statements = `
    class Light extends web.Request { get url() { return 'light ' + super.url } }
    const before = isLoaded()
    const light = new Light('http://a.b/c', { method: 'POST', body: 'text', headers: { 'x-y': 'z' } })
    const answer = web.Response.json({ a: 1 }, { status: 201 })
    const real = [light instanceof Request, light instanceof web.Request, light instanceof Light]
    return {
      loaded: [before, isLoaded()],
      light: [light.url, light.method, light.headers.get('x-y'), await light.text()],
      answer: [answer.status, await answer.json(), answer instanceof web.Response, answer instanceof Light],
      headers: [...new web.Headers([['a', 'b']])],
      real,
    }`
  expect(run(statements)).toEqual({
    loaded: [false, true],
    light: ['light http://a.b/c', 'POST', 'z', 'text'],
    answer: [201, { a: 1 }, true, false],
    headers: [['a', 'b']],
    real: [true, true, true],
  })
})

test.for(['CloseEvent', 'Headers', 'Request', 'Response'])(
  'the web class %s has every member that Node has',
  (name, { expect }) => {
    const known = `web.${name}.prototype`
    const statements = `
      const ours = new Set([...Reflect.ownKeys(${known}), ...Reflect.ownKeys(web.${name})].map(String))
      const inspect = ['Symbol(nodejs.util.inspect.custom)', 'Symbol(Symbol.toStringTag)', 'attribute']
      const members = [...Reflect.ownKeys(${name}.prototype), ...Reflect.ownKeys(${name})].map(String)
      return members.filter((member) => !ours.has(member) && !inspect.includes(member))`
    expect(run(statements)).toEqual([])
  },
)
