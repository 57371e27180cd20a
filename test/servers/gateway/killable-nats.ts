/** A NATS of its own for a test that kills it. */
import type { NatsConnection } from 'nats'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { startNats, type NatsServer } from '../../../knative/local/servers/nats.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, natsLogins } from '../servers.ts'

export interface KillableNats {
  /** As the relay, which may publish anything. */
  nc: NatsConnection
  hubUrl: string
  /** Ends NATS as a crash would: what is in memory is lost. */
  killNats(): Promise<void>
  /** Starts it again where it was, with the streams that the relay makes. */
  reviveNats(): Promise<void>
  stop(): Promise<void>
}

export async function startKillableNats(): Promise<KillableNats> {
  const { state, remove } = await makeStateFolder()
  const [port = 0, monitoringPort = 0] = await findFreePorts(2)
  const logins = natsLogins()
  const fetching = { cache: cacheFolder(process.env), env: process.env }
  const start = () => startNats({ state, port, monitoringPort, ...logins, ...fetching })
  let nats: NatsServer = await start()
  const nc = await openNats(nats.urlOf('relay'), 'test', { inboxPrefix: inboxPrefixOf('relay') })
  return {
    nc,
    hubUrl: nats.urlOf('stream-hub'),
    killNats: () => nats.kill(),
    async reviveNats() {
      nats = await start()
      await eventually(() => nc.rtt())
      await ensureStreams(nc)
    },
    async stop() {
      await nats.stop()
      await remove()
    },
  }
}
