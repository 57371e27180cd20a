/** A name server on loopback that answers questions for TXT records (RFC 1035), or says nothing at all. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export interface DnsServer {
  /** `address:port`. */
  address: string
  /** Texts by name; a name that is not there does not exist. */
  records: Map<string, string[]>
  isSilent: boolean
  close(): void
}

const RESPONSE = 0x8180
const NO_SUCH_NAME = 3
const TXT = 16
const IN = 1

export async function openDnsServer(): Promise<DnsServer> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const server: DnsServer = {
    address: `127.0.0.1:${socket.address().port}`,
    records: new Map(),
    isSilent: false,
    close: () => void socket.close(),
  }
  socket.on('message', (query, { port, address }) => {
    if (!server.isSilent) socket.send(answerTo(query, server.records), port, address)
  })
  return server
}

function answerTo(query: Buffer, records: DnsServer['records']): Buffer {
  const { name, end } = readName(query)
  const texts = records.get(name)
  const question = query.subarray(12, end + 4)
  const answers = (texts ?? []).map(recordOf)
  const header = Buffer.alloc(12)
  header.writeUInt16BE(query.readUInt16BE(0), 0)
  header.writeUInt16BE(RESPONSE | (texts === undefined ? NO_SUCH_NAME : 0), 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(answers.length, 6)
  return Buffer.concat([header, question, ...answers])
}

/** The name of the first question, and where it ends. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = 12
  while (query[at] !== 0) {
    const length = query[at] ?? 0
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

/** A record about the name of the question. */
function recordOf(text: string): Buffer {
  const parts = (text.match(/.{1,255}/gs) ?? ['']).map((part) =>
    Buffer.from(`${String.fromCodePoint(part.length)}${part}`, 'latin1'),
  )
  const data = Buffer.concat(parts)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(TXT, 2)
  head.writeUInt16BE(IN, 4)
  head.writeUInt32BE(1, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}
