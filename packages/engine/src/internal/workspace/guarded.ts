import * as Path from "node:path/posix"

/*
 * Files that act by themselves on the machine of whoever takes them. Most of what a project holds runs when somebody runs
 * it. What git reads at every command does not wait for that: its configuration names programs (`core.fsmonitor`,
 * `core.pager`, filters), and its hooks are programs. Prompts of shells and editors run git without being asked.
 */

/** Letters that file systems take for each other, or for none. */
const folded = (name: string): string =>
  name
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .toLowerCase()

/** In a git directory: what git runs, or reads to know what it runs, or to know where its directory is. */
const CONFIGURATION = new Set(["config", "config.worktree", "commondir", "gitdir"])

/** What makes a repository of a directory, or makes one act; `HEAD` is in every one, whatever it is called. */
const TELLING = new Set(["head", "config", "commondir", "hooks"])

/** The paths of a tree that tell repositories from other directories, as `Known` asks for them. */
export const tellingIn = (paths: Iterable<string>): ReadonlySet<string> => {
  const telling = new Set<string>()
  for (const path of paths) if (TELLING.has(folded(path.slice(path.lastIndexOf("/") + 1)))) telling.add(folded(path))
  return telling
}

const inside = (directory: string, child: string): string =>
  directory === "" ? child : `${folded(directory)}/${child}`

/**
 * Whether a directory is one that git takes for a repository's: by its name, or by what is in it. The rest that makes it
 * one may have been taken earlier, or be taken later, so that `HEAD` is enough.
 */
const isGitDirectory = (directory: string, has: Known["has"]): boolean =>
  folded(directory.slice(directory.lastIndexOf("/") + 1)).endsWith(".git") || has(inside(directory, "head"))

/** Why the configuration of another program's repository is guarded, which does the same. */
const otherIn = (path: string): string | null => {
  const all = `/${folded(path)}`
  if (all.includes("/.hg/hgrc")) return "it says what hg runs"
  return all.endsWith("config.toml") && all.includes("/.jj/") ? "it says what jj runs" : null
}

/** What else commonly runs with nobody's word for it, once it is there: said, and taken. */
const acting: ReadonlyArray<readonly [RegExp, string]> = [
  [/(^|\/)\.git\/(rebase-merge|rebase-apply|sequencer)\//, "git runs it when it goes on with what was begun"],
  [/(^|\/)\.(husky|githooks|git-hooks)\//, "a hook of git, where the repository says so"],
  [/(^|\/)(lefthook(-local)?\.ya?ml|\.pre-commit-config\.yaml)$/, "says what hooks of git run"],
  [/(^|\/)\.envrc$/, "direnv runs it once it is allowed"],
  [/(^|\/)\.(vscode|idea|devcontainer)\//, "an editor may run what it names"],
  [/(^|\/)(\.claude|\.codex|\.cursor)\/|(^|\/)\.mcp\.json$/, "an agent on this machine may run what it names"],
  [/^\.(github\/workflows|circleci)\/|^\.gitlab-ci\.yml$/, "runs where the repository is pushed to"]
]

/** What is known of a tree, when one of its paths is judged. */
export interface Known {
  /** Whether a path of `tellingIn` is there, before or after. */
  readonly has: (path: string) => boolean
  /** Whether it was there before. */
  readonly had: (path: string) => boolean
  /** What the repository's own configuration and links have git run or read: files, or directories of them. */
  readonly named: ReadonlyArray<string>
}

const guardedIn = (path: string, depth: number, { had, has }: Known): string | null => {
  const parts = path.split("/")
  const name = folded(parts[depth] ?? "")
  const isLast = depth === parts.length - 1
  // A file or a link of that name tells git of a directory elsewhere, whose configuration it then reads.
  if (isLast && name === ".git") return "it says where git looks for its directory"
  if (name !== "hooks" && !(isLast && (CONFIGURATION.has(name) || name === "head"))) return null
  const parent = parts.slice(0, depth).join("/")
  if (!isGitDirectory(parent, has)) return null
  if (name === "hooks") return "git runs what is in it"
  if (name !== "head") return "it says what git runs"
  // What acts may have been taken earlier, when it was no repository's.
  const isMade = !had(path) && ["config", "commondir", "hooks"].some((child) => has(inside(parent, child)))
  return isMade && folded(parts[depth - 1] ?? "") !== ".git" ? "it makes a repository of what is beside it" : null
}

/**
 * Why a change of a file or link is taken only where that is asked for; null where it is like any other.
 */
export const guardedFor = (path: string, known: Known): string | null => {
  if (known.named.some((directory) => path === directory || path.startsWith(`${directory}/`))) {
    return "the repository has git run or read it"
  }
  const other = otherIn(path)
  if (other !== null) return other
  for (const depth of path.split("/").keys()) {
    const reason = guardedIn(path, depth, known)
    if (reason !== null) return reason
  }
  return null
}

/** What a changed file may set off by itself, or null. */
export const actingFor = (path: string): string | null => acting.find(([pattern]) => pattern.test(path))?.[1] ?? null

/**
 * What the configuration in `.git` names within the directory at `source`: where its hooks are, and other configuration
 * that it includes.
 */
export const namedBy = (configuration: string, source: string): ReadonlyArray<string> =>
  [...configuration.matchAll(/^\s*(?:\[[^\]\n]*\]\s*)?(hookspath|path)\s*=\s*("[^"\n]*"|[^"\n#;]*)/gim)].flatMap(
    ([, key = "", value = ""]) => {
      const text = value.replaceAll('"', "").trim()
      if (text === "" || text.startsWith("~")) return []
      // An included file is named from the configuration's own directory, and hooks from the top.
      const path = Path.relative(source, Path.resolve(source, key.toLowerCase() === "path" ? ".git" : "", text))
      // husky's `.husky/_` runs what is beside it.
      return path === "" || path === ".." || path.startsWith("../") ? [] : [path.replace(/\/_$/, "")]
    }
  )
