/**
 * The files of the image `functions`, laid out as its Dockerfile does, without a container engine: Node, a shell and the
 * libraries that they load, from this machine, and the bundle. Beside them, a server in Go without libraries.
 */
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { bundlerOf, ROOT } from '../checkout.ts'
import { serverFile } from '../server-process.ts'

const run = promisify(execFile)

/** What runs in a container: its arguments, and what its image sets in the environment. */
export interface Command {
  args: readonly string[]
  env: Readonly<Record<string, string>>
}

/** Where Node is in its official image. */
const NODE = '/usr/local/bin/node'
/** What may run beside Node there; an earlier image started in a shell. */
const TOOLS = ['/bin/sh', '/usr/bin/stat', '/usr/bin/dirname']
const GO_SERVER = '/hello'

/** Makes the folder `root` the root of a container with `node` and the usual mount points. */
export async function layFiles(root: string): Promise<void> {
  await chmod(root, 0o755) // it is no secret of whoever made it
  for (const folder of ['app', 'dev', 'proc', 'tmp']) await mkdir(join(root, folder), { recursive: true })
  await put(root, process.execPath, NODE)
  for (const tool of TOOLS) await put(root, tool, tool)
  const libraries = await Promise.all([process.execPath, ...TOOLS].map(librariesOf))
  for (const library of new Set(libraries.flat())) await put(root, library, library)
}

/**
 * The functions of a checkout as its Dockerfile starts them, bundled into `folder` of `root`; the command is in paths of
 * the container.
 */
export async function layFunctions(
  root: string,
  folder: string,
  checkout: string | undefined,
): Promise<Command> {
  const bundle = await bundlerOf(checkout)
  await bundle(join(root, folder, 'dist'))
  const dockerfile = await readFile(join(checkout ?? ROOT, 'Dockerfile'), 'utf8')
  return readCommand(dockerfile, 'functions', (path) => path.replace(/^dist\//, `/${folder}/dist/`))
}

/** What a stage of a Dockerfile starts, as far as this repository's use the format. */
function readCommand(dockerfile: string, stage: string, toPath: (path: string) => string): Command {
  const text = dockerfile.split(/^FROM /m).find((each) => each.includes(`AS ${stage}\n`)) ?? ''
  const [, command = '[]'] = /^CMD (\[.*\])$/m.exec(text) ?? []
  const variables = [...text.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = '']) => line.split(' '))
  return {
    args: (JSON.parse(command) as string[]).map(toPath),
    env: Object.fromEntries(variables.map((each) => each.split('=', 2) as [string, string])),
  }
}

/** A program of one file, started by `node`. */
export async function layProgram(root: string, file: string, path: string): Promise<Command> {
  await put(root, file, path)
  return { args: [NODE, path], env: { NODE_ENV: 'production' } }
}

/** A static Go server; undefined where there is no Go. */
export async function layGoServer(root: string): Promise<Command | undefined> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' }
  const args = ['build', '-trimpath', '-ldflags=-s -w', '-o', join(root, GO_SERVER), serverFile('hello.go')]
  try {
    await run('go', args, { env })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return { args: [GO_SERVER], env: {} }
}

async function put(root: string, file: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  // The snapshot is of a Node of this size and time.
  await cp(file, join(root, path), { dereference: true, preserveTimestamps: true, force: true })
}

/** The files that the loader maps for `program`, by the names that it looks for. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program])
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}
