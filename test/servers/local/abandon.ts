/** Starts a server, tells its process number, and never stops it: for the test that kills this process. */
import { join } from 'node:path'
import { startServer } from '../../../knative/local/servers/server-process.ts'

const state = process.argv[2] ?? ''
const server = await startServer({
  name: 'an orphan',
  program: '/bin/sh',
  args: ['-c', 'while :; do sleep 0.05; done', join(state, 'orphan')],
  logFile: join(state, 'logs', 'orphan.log'),
  folder: join(state, 'orphan'),
  stopSignal: 'SIGTERM',
  probe: async () => undefined,
})
console.log(server.pid)
