/**
 * Links and images of the texts lead to something; those of published texts, to something that is published.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/harness.ts";
import { projectRoot } from "./support/project.ts";

const read = (path: string): string => readFileSync(join(projectRoot, path), "utf8");

const markdownIn = (folder: string): string[] =>
  readdirSync(join(projectRoot, folder)).filter((name) => name.endsWith(".md")).map((name) => posix.join(folder, name));

const TEXTS = [".", "docs", "src", "ffi", "bench", "tests/conformance", ".github"].flatMap(markdownIn);

interface Link {
  readonly from: string;
  /** From the project's folder. */
  readonly to: string;
  readonly anchor: string | undefined;
}

/** The links of a text but for those to other sites. */
function linksOf(path: string): Link[] {
  const prose = read(path).replace(/```[\s\S]*?```/g, "");
  return [...prose.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, target, anchor]) => ({
    from: path,
    to: target === "" ? path : posix.join(posix.dirname(path), target),
    anchor,
  }));
}

/** The anchors of a text's headings, as GitHub makes them. */
function anchorsOf(path: string): string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

const links = TEXTS.flatMap(linksOf);

test("links and images of the texts lead to files and headings that exist", () => {
  assert(links.length > 30, `only ${links.length} found`);
  const dead = links.filter(({ to, anchor }) =>
    !existsSync(join(projectRoot, to)) || (anchor !== undefined && !anchorsOf(to).includes(anchor))
  );
  assertEquals(dead, []);
});

test("links and images of published texts lead to what is published", () => {
  const { publish: { include } }: { publish: { include: string[] } } = JSON.parse(read("deno.json"));
  const isPublished = (path: string): boolean =>
    include.some((published) => path === published || path.startsWith(`${published}/`));
  assert(isPublished("README.md") && isPublished("docs/architecture.md"));
  assertEquals(links.filter(({ from, to }) => isPublished(from) && !isPublished(to)), []);
});

test("files and folders that the guides name exist", () => {
  const guides = ["docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md", "src/README.md", "ffi/README.md"];
  const named = guides.flatMap((guide) =>
    [...read(guide).matchAll(/`((?:src|ffi|tests|docs|bench|examples|npm-build|\.ci)\/[\w./-]*)`/g)].map(([, path]) =>
      path
    )
  );
  assert(named.length > 60, `only ${named.length} found`);
  assertEquals(named.filter((path) => !existsSync(join(projectRoot, path))), []);
});
