import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { note, skip } from "./support/missing.js"
import { everybody, expectOk, layer, machine, type Runner } from "./support/runner.js"

type Body = (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>

const files = ["cmdline", "config.gz", "diskstats", "interrupts", "iomem", "kallsyms", "modules", "partitions", "swaps"]
const directories = ["acpi", "asound", "bus", "driver", "irq", "scsi"]

const here = (names: ReadonlyArray<string>) => names.filter((name) => Fs.existsSync(`/proc/${name}`))

describe.each(everybody)(`what /proc tells a machine, $name${note}`, ({ make }) => {
  const test = (name: string, body: Body) =>
    it.scopedLive.skipIf(skip)(name, () => Effect.flatMap(make, body).pipe(Effect.provide(layer)), 60_000)

  test("nothing of the host's boot, devices, modules and interrupts", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const read = yield* guest.sh('for f; do printf "%s %s\\n" "$f" "$(wc -c <"/proc/$f")"; done', ...here(files))
      assert.strictEqual(
        read.stdout,
        here(files)
          .map((name) => `${name} 0\n`)
          .join(""),
        read.stderr
      )
      const listed = yield* guest.sh(
        'for d; do printf "%s %s\\n" "$d" "$(ls -A "/proc/$d" | wc -l)"; done',
        ...here(directories)
      )
      assert.strictEqual(
        listed.stdout,
        here(directories)
          .map((name) => `${name} 0\n`)
          .join(""),
        listed.stderr
      )
      const written = yield* guest.sh(
        'for d; do : >"/proc/$d/file" && echo "$d"; umount "/proc/$d" && echo "$d"; done',
        ...here(directories)
      )
      assert.strictEqual(written.stdout, "")
    }))

  test("its own processes, and what programs need to know of memory, CPUs and time", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      expectOk(
        yield* guest.sh(
          "for f in cpuinfo meminfo stat uptime loadavg self/status 1/cmdline version; do grep -q . /proc/$f || exit 1; done"
        )
      )
    }))
})
