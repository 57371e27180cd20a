/** Connections to NATS. */
import { connect, type ConnectionOptions, type NatsConnection } from 'nats'

/** What the part `name` receives replies under; its user may subscribe to no other inbox. */
export function inboxPrefixOf(name: string): string {
  return `_INBOX_${name}`
}

/**
 * Opens a connection that waits for the first server and then reconnects for ever.
 *
 * @param url one or several servers, separated by commas; the first may carry `user:password@` or `token@`
 * @param name shown by the server in its list of connections
 */
export function openNats(
  url: string,
  name: string,
  options: { inboxPrefix?: string } = {},
): Promise<NatsConnection> {
  const servers = url
    .split(',')
    .map((server) => new URL(server.includes('://') ? server : `nats://${server}`))
  return connect({
    ...readCredentials(servers[0]),
    servers: servers.map((server) => server.host),
    name,
    ...(servers.some((server) => server.protocol === 'tls:') ? { tls: {} } : {}),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    reconnectTimeWait: 250,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    // A rotated password must not end the process: it is asked again until it fits.
    ignoreAuthErrorAbort: true,
    // A stack trace for each request would cost more than the request.
    noAsyncTraces: true,
  })
}

function readCredentials(server: URL | undefined): Pick<ConnectionOptions, 'user' | 'pass' | 'token'> {
  if (server === undefined || server.username === '') return {}
  const user = decodeURIComponent(server.username)
  return server.password === '' ? { token: user } : { user, pass: decodeURIComponent(server.password) }
}
