// Once for all files of tests: the interface over the node of the tests, built and served.
import type { TestProject } from "vitest/node";
import { serve } from "./harness";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the interface is served. */
    url: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { server, url } = await serve();
  project.provide("url", url);
  return () => server.close();
}
