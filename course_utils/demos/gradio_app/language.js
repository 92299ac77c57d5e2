/*
 * The page's own language, "LANG", in place of the browser's: Gradio, whose drop zones and
 * buttons speak the latter, has no setting for it. Its module is found by the name that
 * 6.x gives it; where that has changed, those words stay in the browser's language.
 */
async () => {
  const core = performance.getEntriesByType("resource")
    .find(({ name }) => /\/assets\/core-[^/]+\.js$/.test(name));
  if (core) (await import(core.name)).changeLocale?.("LANG");
  document.documentElement.lang = "LANG";
}
