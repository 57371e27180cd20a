/** Where the figures come from: the queries against Prometheus' own engine, and requests that are really sent. */
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { Unavailable } from '../../../../knative/deploy/api-errors.ts'
import { judge, type Figures } from '../../../../knative/deploy/judge.ts'
import { readOptions } from '../../../../knative/deploy/options.ts'
import { openProber } from '../../../../knative/deploy/probe.ts'
import { DEFAULT_RULES, LIMITS, STEPS } from '../../../../knative/deploy/rules.ts'
import { openPrometheus, queriesFor } from '../../../../knative/deploy/prometheus.ts'

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const HISTOGRAM = 'kn_serving_invocation_duration_seconds'
const hasPromtool = spawnSync('promtool', ['--version']).status === 0
if (!hasPromtool)
  process.stderr.write(
    'skipped: queries of a canary in Prometheus: promtool is not on the PATH (Debian: apt-get install prometheus)\n',
  )

describe('queriesFor()', () => {
  /** A pod that was there before, one that began within the window, and one of another revision. */
  const pod = (name: string, revision: string, status: number, le: string | undefined, values: string) => ({
    series: `${HISTOGRAM}_${le === undefined ? 'count' : 'bucket'}{k8s_pod_name="${name}",kn_revision_name="${revision}",http_response_status_code="${status}"${le === undefined ? '' : `,le="${le}"`}}`,
    values,
  })
  const series = [
    // 100 requests before the window, 60 in it.
    pod('old', 'soul-00002', 200, undefined, '100x5 110 120 130 140 150 160'),
    pod('old', 'soul-00002', 200, '0.1', '100x5 110 120 130 140 150 157'),
    pod('old', 'soul-00002', 200, '1', '100x5 110 120 130 140 150 160'),
    pod('old', 'soul-00002', 200, '+Inf', '100x5 110 120 130 140 150 160'),
    // Began with 40 requests, and sleeps again.
    pod('new', 'soul-00002', 500, undefined, '_x7 40 40 stale'),
    pod('new', 'soul-00002', 500, '0.1', '_x7 40 40 stale'),
    pod('new', 'soul-00002', 500, '1', '_x7 40 40 stale'),
    pod('new', 'soul-00002', 500, '+Inf', '_x7 40 40 stale'),
    pod('new', 'soul-00002', 404, undefined, '_x7 7 7 stale'),
    pod('other', 'soul-00001', 500, undefined, '0+100x11'),
  ]

  test.skipIf(!hasPromtool)('count what a revision did in the window, whatever became of its pods', () => {
    const { requests, errors, refusals, p95 } = queriesFor('soul-00002', 360)
    const none = queriesFor('soul-00003', 360)
    const at = (expr: string, ...samples: number[]) => ({
      expr,
      eval_time: '11m',
      exp_samples: samples.map((value) => ({ labels: '{}', value })),
    })
    const folder = mkdtempSync(join(tmpdir(), 'kgents-promtool-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const promql_expr_test = [
      at(requests, 107),
      at(errors, 40),
      at(refusals, 7),
      // 97 of 100 within 0.1 s.
      at(p95, 0.1 * (95 / 97)),
      at(none.requests, 0),
      at(none.p95),
    ]
    const tests = [{ interval: '1m', input_series: series, promql_expr_test }]
    writeFileSync(join(folder, 'test.yaml'), stringify({ rule_files: [], tests }))
    expect(
      execFileSync('promtool', ['test', 'rules', 'test.yaml'], { cwd: folder, encoding: 'utf8' }),
    ).toContain('SUCCESS')
  })
})

describe('openPrometheus()', () => {
  test('asks below the path of its URL, and takes what is not there for nothing', async () => {
    const asked: string[] = []
    const host = await serve((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
      const query = searchParams.get('query') ?? ''
      asked.push(pathname)
      const result = query.includes('5..')
        ? [{ value: [0, '3'] }]
        : query.includes('quantile')
          ? [{ value: [0, 'NaN'] }]
          : []
      response.end(JSON.stringify({ status: 'success', data: { result } }))
    })
    const metrics = openPrometheus(`http://${host}/prometheus/`)
    expect(await metrics.requestsOf('soul-00002', 60)).toEqual({
      requests: 0,
      errors: 3,
      refusals: 0,
      p95: undefined,
    })
    expect(new Set(asked)).toEqual(new Set(['/prometheus/api/v1/query']))
  })

  test('sends what the URL has of a user as the header for it, and says without it why it gets no answer', async () => {
    let sent: string | undefined
    const host = await serve((request, response) => {
      sent = request.headers.authorization
      response.writeHead(502).end('<html>')
    })
    const asking = openPrometheus(`http://ada:secret@${host}/`).requestsOf('soul-00002', 60)
    await expect(asking).rejects.toThrow(
      new Unavailable(`Cannot ask Prometheus at "http://${host}": status 502`),
    )
    expect(sent).toBe(`Basic ${Buffer.from('ada:secret').toString('base64')}`)
  })
})

describe('openProber()', () => {
  test('reaches a revision by the name of its tag through the ingress, and counts what it answers', async () => {
    const seen = new Set<string>()
    let count = 0
    const ingress = await serve((request, response) => {
      seen.add(`${request.headers.host} ${request.url}`)
      count += 1
      if (count === 3) request.socket.destroy()
      else response.writeHead(count === 4 ? 503 : count === 5 ? 404 : 200).end()
    })
    const url = 'http://candidate-soul.kgents.svc.cluster.local'
    const probed = await openProber('/health/live', ingress).probe(url, 20)
    expect(probed).toEqual({ requests: 20, errors: 2, refusals: 1, p95: expect.any(Number) })
    expect(seen).toEqual(new Set(['candidate-soul.kgents.svc.cluster.local /health/live']))
  })

  test('counts requests without an answer as errors', async () => {
    const probed = await openProber('/', '127.0.0.1:1').probe('http://candidate-soul.kgents', 7)
    expect(probed).toEqual({ requests: 7, errors: 7, refusals: 0, p95: undefined })
  })
})

describe('judge()', () => {
  const usual: Figures = { requests: 1000, errors: 5, refusals: 30, p95: 0.4, start: 2, restarts: 0 }
  test.for<[string, Partial<Figures>, Partial<Figures>, number]>([
    ['as good', {}, {}, 0],
    ['two errors of ten', { requests: 10, errors: 2, refusals: 0 }, {}, 0],
    ['three errors of ten', { requests: 10, errors: 3, refusals: 0 }, {}, 1],
    ['as many errors as the running one', { errors: 30 }, { errors: 25 }, 0],
    ['p95 at the limit', { p95: 0.6 }, {}, 0],
    ['p95 above the limit', { p95: 0.61 }, {}, 1],
    ['p95 twice as long, but short', { p95: 0.1 }, { p95: 0.02 }, 0],
    ['p95 long, with nothing to compare', { p95: 2.1 }, { requests: 0, p95: undefined }, 1],
    ['a start at the limit', { start: 4 }, {}, 0],
    ['a start above the limit', { start: 5 }, {}, 1],
    ['a start with nothing to compare', { start: 50 }, { start: undefined }, 0],
    ['more refusals than usual', { refusals: 140 }, {}, 1],
    ['three restarts', { restarts: 3 }, {}, 1],
    ['several things', { errors: 100, p95: 3 }, {}, 2],
  ])('%s', ([, candidate, running, problems]) => {
    expect(judge({ candidate: { ...usual, ...candidate }, running: { ...usual, ...running } })).toHaveLength(
      problems,
    )
  })
})

test('the README has the numbers of the rules', () => {
  const file = new URL('../../../../knative/deploy/README.md', import.meta.url)
  const text = readFileSync(file, 'utf8').replaceAll(/\s+/g, ' ')
  const sentences = [
    `It is ready within ${DEFAULT_RULES.readySeconds} s`,
    `by itself is waited for ${DEFAULT_RULES.failingSeconds} s`,
    `gets ${STEPS.slice(0, -1).join(', ')} and ${STEPS.at(-1)} percent`,
    `lasts at least ${DEFAULT_RULES.stepSeconds} s`,
    `has had ${DEFAULT_RULES.minRequests} requests`,
    `no longer than ${DEFAULT_RULES.patienceSeconds} s`,
    `in the last ${DEFAULT_RULES.baselineSeconds / 60} minutes`,
    `${DEFAULT_RULES.probeRequests} requests of our own`,
    `${LIMITS.errors} or more answers 5xx, and a share more than ${LIMITS.errorShare * 100} point`,
    `${LIMITS.refusals} or more answers 4xx, and a share more than ${LIMITS.refusalShare * 100} points`,
    `more than ${LIMITS.p95Factor} times the running revision's and more than ${LIMITS.p95Seconds * 1000} ms`,
    `${LIMITS.p95WithoutBaseline} s where that has no requests`,
    `more than ${LIMITS.startFactor} times the running revision's plus ${LIMITS.startSeconds} s`,
    `has ended ${LIMITS.restarts} times by itself`,
  ]
  expect(sentences.filter((sentence) => !text.includes(sentence))).toEqual([])
})

describe('readOptions()', () => {
  const overlay = ['--overlay', 'production', '--prometheus', 'http://localhost:9090']

  test('reads an overlay or an image, with numbers of its own', () => {
    expect(readOptions([...overlay, '--min-requests', '7', '--only', 'a,b'])).toMatchObject({
      overlay: 'production',
      only: ['a', 'b'],
      rules: { minRequests: 7, readySeconds: 300 },
    })
    expect(readOptions(['--help'])).toBe('help')
  })

  test.for([
    [['--prometheus', 'http://x'], /one of --overlay and --functions-image is required/],
    [['--overlay', 'dev'], /without metrics no revision is promoted/],
    [['--functions-image', 'x:latest', '--prometheus', 'http://x'], /has no digest/],
    [[...overlay, '--wave-size', '0'], /no whole number/],
    [[...overlay, '--revision-label', 'a"b'], /is no label/],
    [[...overlay, '--percent', '7'], /Unknown option/],
  ] as const)('refuses %j', ([args, why]) => {
    expect(() => readOptions(args)).toThrow(why)
  })
})
