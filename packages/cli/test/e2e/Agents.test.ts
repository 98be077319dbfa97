import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Http from "node:http"
import { TIMEOUT_MILLIS } from "./bundles.js"
import { inHome, lacks, ordinary } from "./harness.js"

interface Asked {
  readonly line: string
  readonly key: string | undefined
  readonly authorization: string | undefined
}

/** The API of a model, which writes down what it was asked with. */
const serve = (): Promise<{ readonly port: number; readonly asked: Array<Asked>; readonly close: () => void }> =>
  new Promise((resolve, reject) => {
    const asked: Array<Asked> = []
    const server = Http.createServer(({ headers, method, url }, response) => {
      const key = headers["x-api-key"]
      asked.push({
        line: `${method} ${url}`,
        key: typeof key === "string" ? key : undefined,
        authorization: headers.authorization
      })
      response.end("answered")
    })
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        asked,
        close: () => {
          server.closeAllConnections()
          server.close()
        }
      })
    })
  })

/** An agent that asks its model once, by the base URL that it was given, and then changes what it works on. */
const agent = (baseUrl: string, key: string, path: string): string => `#!/bin/bash
base=${baseUrl}
rest=\${base#http://}
exec 3<>/dev/tcp/\${rest%%:*}/$(port=\${rest#*:}; printf %s "\${port%%/*}")
printf 'POST /%s${path} HTTP/1.1\\r\\nHost: %s\\r\\n${key}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' "\${rest#*/}" "\${rest%%/*}" >&3
answer=$(tr -d '\\r' <&3 | sed '1,/^$/d' | head -c 8)
printf '%s\\n' "$answer" "$PWD" "$@" > words
env > variables
echo changed >> a.txt
`

const CLAUDE = agent('"$ANTHROPIC_BASE_URL"', "X-Api-Key: '\"$ANTHROPIC_API_KEY\"'", "/v1/messages")

// As Codex does, it takes its base URL from its configuration.
const CODEX = agent(
  `$(printf '%s\\n' "$@" | sed -n "s/.*base_url = '\\([^']*\\)'.*/\\1/p")`,
  "Authorization: Bearer '\"$OPENAI_API_KEY\"'",
  "/responses"
)

/** The presets, with the model's API on this machine. */
const manifestOf = (port: number) => ({
  bottles: { dev: { env: { PATH: "/agents:/usr/bin:/bin" } } },
  agents: {
    claude: {
      extends: "claude",
      bottle: "dev",
      credentials: {
        anthropic: {
          source: { env: "MODEL_KEY" },
          header: "x-api-key",
          upstream: `http://127.0.0.1:${port}`,
          baseUrlVariable: "ANTHROPIC_BASE_URL",
          placeholderVariable: "ANTHROPIC_API_KEY"
        }
      }
    },
    absent: { command: ["no-such-agent-is-here"] },
    codex: {
      extends: "codex",
      bottle: "dev",
      credentials: {
        openai: {
          source: { env: "MODEL_KEY" },
          header: "authorization",
          prefix: "Bearer ",
          upstream: `http://127.0.0.1:${port}/v1`,
          baseUrlVariable: "OPENAI_BASE_URL",
          placeholderVariable: "OPENAI_API_KEY"
        }
      }
    }
  }
})

const isLacking = lacks("bash", "sed")

describe("an agent that bottle knows", { timeout: TIMEOUT_MILLIS }, () => {
  it.skipIf(isLacking)(
    `works on a copy with a credential that it does not have, and its changes are taken back${isLacking ? " (no bash or sed here)" : ""}`,
    () =>
      inHome(ordinary, async (home) => {
        const model = await serve()
        try {
          Fs.mkdirSync(home.path("agents"))
          Fs.writeFileSync(home.path("agents/claude"), CLAUDE, { mode: 0o755 })
          Fs.writeFileSync(home.path("agents/codex"), CODEX, { mode: 0o755 })
          Fs.writeFileSync(home.path("bottle.json"), JSON.stringify(manifestOf(model.port)))
          Fs.mkdirSync(home.path("work/project"))
          Fs.writeFileSync(home.path("work/project/a.txt"), "one\n")
          home.own()
          const project = (name: string): string => Fs.readFileSync(home.path(`work/project/${name}`), "utf8")
          const run = async (name: string, prompt: ReadonlyArray<string>) => {
            const words = ["run", "--runtime", "local", "--manifest", home.path("bottle.json"), "--agent", name]
            const mounts = ["-v", `${home.path("agents")}:/agents:ro`, "--workspace", "project"]
            const running = home.start([...words, ...mounts, "--", ...prompt], { env: { MODEL_KEY: "the-key" } })
            const ended = await running.ended
            assert.strictEqual(ended.code, 0, ended.stderr)
            const id = /bottle apply (\S+)/.exec(ended.stderr)?.[1] ?? ""
            assert.include(
              ended.stderr,
              `bottle: 3 files changed in the copy of ${home.path("work/project")}; see them: `
            )
            return id
          }

          const absent = await home.bottle(
            "run",
            "--manifest",
            home.path("bottle.json"),
            "--agent",
            "absent",
            "--",
            "x"
          )
          assert.strictEqual(absent.code, 127)
          assert.include(absent.stderr, "bottle: the guest has no program for --agent absent (exit code 127)\ntry: ")

          const claude = await run("claude", ["mend it"])
          assert.strictEqual(project("a.txt"), "one\n")
          const diff = await home.bottle("diff", claude)
          assert.include(diff.stdout.toString(), "+changed")
          assert.strictEqual((await home.bottle("apply", claude)).code, 0)
          assert.strictEqual(project("a.txt"), "one\nchanged\n")
          assert.deepStrictEqual(project("words").trimEnd().split("\n"), [
            "answered",
            "/workspace",
            "--dangerously-skip-permissions",
            "-p",
            "mend it"
          ])
          const variables = project("variables").split("\n")
          for (const line of ["DISABLE_AUTOUPDATER=1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"]) {
            assert.include(variables, line)
          }
          assert.notInclude(project("variables"), "the-key")

          const codex = await run("codex", ["mend it too"])
          assert.strictEqual((await home.bottle("apply", codex)).code, 0)
          const words = project("words").trimEnd().split("\n")
          assert.deepStrictEqual(words.slice(0, 2), ["answered", "/workspace"])
          assert.deepStrictEqual(words.slice(-3), ["exec", "--skip-git-repo-check", "mend it too"])
          assert.include(words, "analytics.enabled=false")
          assert.deepStrictEqual(model.asked, [
            { line: "POST /v1/messages", key: "the-key", authorization: undefined },
            { line: "POST /v1/responses", key: undefined, authorization: "Bearer the-key" }
          ])
        } finally {
          model.close()
        }
      })
  )
})
