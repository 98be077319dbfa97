/** `bottle cp` on real bottles: what comes out is what was there, and a guest that means harm does none. */
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { TIMEOUT_MILLIS } from "./bundles.js"
import { failureLines, type Home, inHome, lacks, users } from "./harness.js"

const needs = lacks("tar", "find", "sha256sum") ? " (skipped: no tar, find or sha256sum here)" : ""

/** Runs a test on a bottle that stays, and takes it down afterwards. */
const onBottle = (
  user: (typeof users)[number],
  use: (home: Home, name: string) => Promise<void>,
  flags: (home: Home) => ReadonlyArray<string> = () => []
): Promise<void> =>
  inHome(user, async (home) => {
    const up = await home.bottle("up", "-q", "--bundle", "none", ...flags(home))
    assert.strictEqual(up.code, 0, up.stderr)
    const name = up.stdout.toString().trim()
    try {
      await use(home, name)
    } finally {
      const down = await home.bottle("down", name)
      assert.strictEqual(down.code, 0, down.stderr)
    }
  })

/** Runs a shell's text in the guest, and gives what it printed. */
const inGuest = async (home: Home, name: string, text: string): Promise<string> => {
  const ended = await home.bottle("exec", name, "--", "sh", "-c", text)
  assert.strictEqual(ended.code, 0, ended.stderr)
  return ended.stdout.toString()
}

const copy = async (home: Home, source: string, destination: string): Promise<string> => {
  const ended = await home.bottle("cp", source, destination)
  assert.strictEqual(ended.code, 0, ended.stderr)
  return ended.stderr
}

/** What a directory holds, as its own system says it: types, modes, names, links, times and contents. */
const LIST = `cd "$0" && find . -mindepth 1 -printf '%y %m %p %l %Ts\\n' | sort && find . -type f -print0 | sort -z | xargs -0 -r sha256sum`

const listHere = (directory: string): string =>
  ChildProcess.execFileSync("sh", ["-c", LIST, directory], {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" }
  })

const lines = (text: string): ReadonlyArray<string> => text.split("\n").sort()

const listThere = (home: Home, name: string, directory: string): Promise<string> =>
  inGuest(home, name, `export LC_ALL=C; exec sh -c "$(cat <<'LIST'\n${LIST}\nLIST\n)" '${directory}'`)

/** Where the guest looks for its programs first. */
const EVIL = "/tmp/evil"

const withEvil = () => ["-e", `PATH=${EVIL}:/usr/local/bin:/usr/bin:/bin`]

/** Puts a tar in the way that gives an archive of the guest's own making, whatever it is asked for. */
const makeEvil = (home: Home, name: string, make: string): Promise<string> =>
  inGuest(
    home,
    name,
    `rm -rf ${EVIL} /tmp/t; mkdir ${EVIL} /tmp/t; cd /tmp/t; ${make}
printf '#!/bin/sh\\ncat /tmp/t/evil.tar\\n' >${EVIL}/tar; chmod 755 ${EVIL}/tar`
  )

const work = (home: Home): ReadonlyArray<string> => Fs.readdirSync(home.path("work")).sort()

for (const user of users) {
  describe(`bottle cp as ${user.name}${needs}`, () => {
    const test = (what: string, run: () => Promise<void>) => it.skipIf(needs !== "")(what, run, TIMEOUT_MILLIS)

    test("brings a tree of the guest's out as it is, and in again", () =>
      onBottle(user, async (home, name) => {
        await inGuest(
          home,
          name,
          `mkdir -p /tmp/tree/a/b '/tmp/tree/with space' && cd /tmp/tree
           seq 1 200000 >a/large; printf x >a/b/-dash; : >'with space/empty'; chmod 750 a; chmod 4711 a/b/-dash
           ln -s ../large a/b/link; ln a/large a/twin; printf ü >'ünïcödé'
           long=$(printf 'n%.0s' $(seq 1 200)); mkdir "$long"; printf long >"$long/$long"
           for i in $(seq 1 300); do printf "$i" >"with space/$i"; done
           find . -exec touch -h -d '2001-02-03 04:05:06' {} +`
        )
        await copy(home, `${name}:/tmp/tree`, "./out")
        const there = await listThere(home, name, "/tmp/tree")
        assert.deepStrictEqual(lines(listHere(home.path("work/out"))), lines(there.replace(" 4711 ", " 711 ")))
        assert.strictEqual(Fs.statSync(home.path("work/out/a/twin")).nlink, 2)
        assert.strictEqual(Fs.statSync(home.path("work/out/a")).uid, user.uid)

        await copy(home, "./out", `${name}:/tmp/back`)
        assert.strictEqual(await listThere(home, name, "/tmp/back"), listHere(home.path("work/out")))
      }))

    test("means by a destination what cp means by it, and says so to programs", () =>
      onBottle(
        user,
        async (home, name) => {
          Fs.writeFileSync(home.path("work/a:b"), "colon", { mode: 0o755 })
          home.own()
          await copy(home, "./a:b", `${name}:`)
          assert.strictEqual(await inGuest(home, name, `stat -c '%a %n' 'a:b'; pwd`), "755 a:b\n/tmp\n")
          const ended = await home.bottle("cp", `${name}:a:b`, "named", "--format", "json")
          const expected = {
            bottle: name,
            direction: "out",
            kind: "file",
            host: home.path("work/named"),
            guest: "/tmp/a:b",
            files: 1,
            directories: 0,
            links: 0,
            bytes: 5,
            leftOut: [],
            words: null
          }
          assert.deepStrictEqual(JSON.parse(ended.stdout.toString()), { version: 1, copied: expected })
          await inGuest(home, name, "mkdir -p d/e; printf one >d/e/x")
          Fs.mkdirSync(home.path("work/out"))
          home.own()
          await copy(home, `${name}:d`, "out")
          await inGuest(home, name, "printf two >d/e/x")
          await copy(home, `${name}:d`, "out/")
          await copy(home, `${name}:d/.`, "out")
          assert.strictEqual(Fs.readFileSync(home.path("work/out/d/e/x"), "utf8"), "two")
          assert.strictEqual(Fs.readFileSync(home.path("work/out/e/x"), "utf8"), "two")
        },
        () => ["-w", "/tmp"]
      ))

    test("says why where there is nothing to copy, or nowhere to copy it to", () =>
      onBottle(user, async (home, name) => {
        const cases: ReadonlyArray<readonly [source: string, destination: string, code: number, message: RegExp]> = [
          [`${name}:/none`, ".", 125, /\/none in the guest does not exist/],
          ["none", `${name}:/tmp`, 125, /none cannot be copied: there is no such file/],
          [`${name}:/etc/passwd`, "none/", 125, /there is no such directory/],
          [`${name}:/dev/null`, ".", 125, /no file and no directory/],
          [`${name}:/etc/passwd`, "-", 2, /no standard input or output/],
          [`${name}:/x`, `${name}:/y`, 2, /both sides are in a bottle/],
          ["x", "y", 2, /neither side is in a bottle/],
          ["nobody-0000:/x", ".", 125, /there is no bottle/]
        ]
        for (const [source, destination, code, message] of cases) {
          const ended = await home.bottle("cp", source, destination)
          assert.strictEqual(ended.code, code, `${source} ${destination}: ${ended.stderr}`)
          const [first = "", second = "", ...more] = failureLines(ended.stderr)
          assert.match(first, message)
          assert.match(second, /^try: /)
          assert.isEmpty(more)
        }
        assert.isEmpty(work(home))
      }))

    test("lets no archive of the guest's out of its place, and brings an honest one whole", () =>
      onBottle(
        user,
        async (home, name) => {
          const tar = "/usr/bin/env -u TAR_OPTIONS PATH=/usr/bin:/bin tar"
          const harm: ReadonlyArray<readonly [make: string, message: RegExp]> = [
            [`echo x >x; ${tar} -P -cf evil.tar --transform 's,^x,../../escaped,' x`, /"\.\."/],
            [`echo x >x; ${tar} -P -cf evil.tar --transform 's,^x,/tmp/escaped,' x`, /is absolute/],
            [
              `ln -s ${home.directory} l; ${tar} -cf evil.tar l; rm l; mkdir l; echo x >l/escaped; ${tar} -rf evil.tar l`,
              /symbolic link/
            ],
            [`mkfifo f; ${tar} -cf evil.tar f`, /FIFO/],
            [`truncate -s 1G s; ${tar} -S -cf evil.tar s`, /sparse/],
            [`echo x >x; ${tar} -cf evil.tar x; head -c 700 evil.tar >e; mv e evil.tar`, /too early/],
            [`printf '\\033]0;owned\\007' >evil.tar`, /too early/],
            [`echo x >"$(printf 'a\\033[2Jb')"; ${tar} -cf evil.tar a*`, /control character/]
          ]
          for (const [make, message] of harm) {
            await makeEvil(home, name, make)
            const ended = await home.bottle("cp", `${name}:/tmp/t`, "out")
            assert.strictEqual(ended.code, 125, `${make}: ${ended.stderr}`)
            assert.match(ended.stderr, message)
            assert.notInclude(ended.stderr, "\u001b")
            assert.isEmpty(work(home))
          }
          assert.isFalse(Fs.existsSync("/tmp/escaped"))
          assert.notInclude(Fs.readdirSync(home.directory), "escaped")

          await makeEvil(
            home,
            name,
            `echo fine >x; chmod 6755 x; ln -s x stays; ln -s ${home.path("home")} leaves; ${tar} -cf evil.tar x stays leaves`
          )
          const said = await copy(home, `${name}:/tmp/t`, "out")
          assert.match(said, /^bottle: left out the symbolic link leaves: it is absolute\n$/)
          assert.strictEqual(Fs.readFileSync(home.path("work/out/stays"), "utf8"), "fine\n")
          assert.strictEqual(Fs.statSync(home.path("work/out/x")).mode & 0o7777, 0o755)
          assert.deepStrictEqual(Fs.readdirSync(home.path("work/out")).sort(), ["stays", "x"])
        },
        withEvil
      ))

    test("leaves nothing here when it is interrupted, and names what may be left there", () =>
      onBottle(
        user,
        async (home, name) => {
          await inGuest(
            home,
            name,
            `mkdir -p ${EVIL} /tmp/there/tree /tmp/big; head -c 1000000 /dev/zero >/tmp/big/zeros
printf '#!/bin/sh\\ncase $1 in -c*) /usr/bin/tar "$@" | head -c 500000;; *) head -c 100 >/dev/null; touch /tmp/there/tree/begun;; esac; sleep 1000\\n' >${EVIL}/tar
chmod 755 ${EVIL}/tar`
          )
          const out = home.start(["cp", `${name}:/tmp/big`, "out"])
          await Effect.runPromise(
            waitUntil(
              Effect.sync(() =>
                work(home).some((entry) => Fs.existsSync(Path.join(home.path("work"), entry, "content/zeros")))
              ),
              { boundMillis: 60_000, what: "the first of the copy" }
            )
          )
          out.child.kill("SIGINT")
          assert.strictEqual((await out.ended).code, 130)
          assert.isEmpty(work(home))

          Fs.mkdirSync(home.path("work/tree"))
          Fs.writeFileSync(home.path("work/tree/x"), "x")
          home.own()
          const into = home.start(["cp", "tree", `${name}:/tmp/there`])
          await Effect.runPromise(
            waitUntil(
              Effect.promise(
                async () => (await home.bottle("exec", name, "--", "test", "-e", "/tmp/there/tree/begun")).code === 0
              ),
              { boundMillis: 60_000, everyMillis: 100, what: "the unpacking" }
            )
          )
          into.child.kill("SIGINT")
          const ended = await into.ended
          assert.strictEqual(ended.code, 130)
          assert.match(ended.stderr, /:\/tmp\/there\/tree may be there in part only/)
          const tars = await inGuest(home, name, `ps -eo args | grep -c '[e]vil/tar' || :`)
          assert.strictEqual(tars.trim(), "0")
        },
        withEvil
      ))

    test("follows no link that a guest has put into a directory of both out of it", () =>
      onBottle(
        user,
        async (home, name) => {
          Fs.writeFileSync(home.path("secret"), "secret")
          await inGuest(
            home,
            name,
            `ln -s ${home.directory} /tmp/shared/leaves; mkdir /tmp/shared/stays; echo x >/tmp/x`
          )
          for (const [source, destination] of [
            ["shared/leaves/secret", `${name}:/tmp/stolen`],
            [`${name}:/tmp/x`, "shared/leaves/"],
            [`${name}:/tmp/x`, "shared/leaves/x"]
          ] as const) {
            const ended = await home.bottle("cp", source, destination)
            assert.strictEqual(ended.code, 125)
            assert.match(ended.stderr, /leads out of that directory/)
          }
          assert.isFalse(Fs.existsSync(home.path("x")))
          await copy(home, `${name}:/tmp/x`, "shared/stays/")
          assert.strictEqual(Fs.readFileSync(home.path("work/shared/stays/x"), "utf8"), "x\n")
        },
        (home) => {
          const shared = home.path("work/shared")
          Fs.mkdirSync(shared)
          // Root's own directories are given to no machine to write to.
          if (process.getuid?.() === 0) Fs.chownSync(shared, 1000, 1000)
          if (user.uid !== 0) home.own()
          return ["-v", `${shared}:/tmp/shared`]
        }
      ))
  })
}
