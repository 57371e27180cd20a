/** Many streams of one hub at once, some of whose clients do not read. `OPEN_STREAMS` says how many. */
import { connect } from 'node:net'
import { eventually } from '../../eventually.ts'
import { allEvents, test } from './hub-world.ts'

const STREAMS = Number(process.env['OPEN_STREAMS'] ?? 40)
/** Of them, those that do not read. */
const SLOW = Math.ceil(STREAMS / 20)
/** Pieces of text; what a client does not read waits in its connection. `hub.test.ts` shows when one is cut off. */
const PIECES = 50
const PIECE = 'x'.repeat(2000)

test(`a hub serves ${STREAMS} streams, and those that do not read hold up nobody`, async ({
  world,
  expect,
}) => {
  const hub = await world.openHub()
  const acme = await world.tenant()
  const jobs = Array.from({ length: STREAMS }, () => world.addJob(acme))
  const headers = { authorization: `Bearer ${acme.token}` }
  const { hostname, port } = new URL(hub.url)
  const slow = jobs.slice(0, SLOW).map((job) => {
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(
      `GET /v1/jobs/${job}/stream HTTP/1.1\r\nhost: a\r\nauthorization: ${headers.authorization}\r\n\r\n`,
    )
    return socket.pause()
  })
  const read: ReturnType<typeof allEvents>[] = []
  // As many at once as may wait to be accepted.
  for (let opened = SLOW; opened < STREAMS; opened += 100) {
    const some = jobs
      .slice(opened, opened + 100)
      .map((job) => fetch(`${hub.url}/v1/jobs/${job}/stream`, { headers }))
    for (const response of await Promise.all(some)) read.push(allEvents(response))
  }
  await eventually(async () => expect(await world.consumers(acme)).toBe(STREAMS))
  const before = process.memoryUsage().rss
  for (let index = 0; index < PIECES; index++)
    for (const job of jobs)
      world.write(acme, job, { kind: 'chunk', index, attempt: 1, text: PIECE, tokens: index })
  await world.nc.flush()
  for (const job of jobs) await world.close(acme, job, { status: 'completed' })
  const counts = { lost: 0, repeated: 0 }
  for (const events of await Promise.all(read)) {
    const text = events
      .map(({ data }) => (typeof data['index'] === 'number' ? String(data['text']) : ''))
      .join('')
    if (text.length < PIECES * PIECE.length) counts.lost++
    if (text.length > PIECES * PIECE.length) counts.repeated++
  }
  const megabytes = Math.round((process.memoryUsage().rss - before) / 2 ** 20)
  for (const socket of slow) socket.destroy()
  if (process.env['OPEN_STREAMS'] !== undefined)
    process.stdout.write(
      `${STREAMS} streams, ${SLOW} of them slow: ${JSON.stringify({ ...counts, megabytes })}\n`,
    )
  expect(counts).toEqual({ lost: 0, repeated: 0 })
})
