// The editor of a live cell: as much of CodeMirror as a cell of Python needs.
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { pythonLanguage } from "@codemirror/lang-python";
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, keymap } from "@codemirror/view";
import { tagHighlighter, tags as t } from "@lezer/highlight";

// Pygments' names for the parts of a program: the page has colours for them, on a
// light page and on a dark one, and the code keeps its looks when it is edited.
const pygments = tagHighlighter([
  { tag: [t.keyword, t.modifier], class: "k" },
  { tag: t.operatorKeyword, class: "ow" },
  { tag: [t.bool, t.null, t.atom], class: "kc" },
  { tag: [t.operator, t.derefOperator], class: "o" },
  { tag: t.punctuation, class: "p" },
  { tag: t.number, class: "mi" },
  { tag: [t.string, t.special(t.string)], class: "s2" },
  { tag: t.escape, class: "se" },
  { tag: t.comment, class: "c1" },
  { tag: t.function(t.definition(t.variableName)), class: "nf" },
  { tag: t.definition(t.className), class: "nc" },
  { tag: t.meta, class: "nd" },
  { tag: t.name, class: "n" },
]);

/**
 * An editor in `parent`, with `text` in it.
 *
 * `label` and `describedBy` (an id) name it and explain its keys; `onChange(text)`
 * follows each change; `onLeave(armed)` tells whether Tab would now leave it.
 */
export function edit(parent, { text, label, describedBy, onChange, onLeave }) {
  let armed = false;
  const arm = (now) => {
    if (now === armed) return;
    armed = now;
    view.setTabFocusMode(now);
    onLeave(now);
  };
  // Escape arms Tab without a limit of time; whatever else is done disarms it.
  const escape = EditorView.domEventHandlers({
    keydown(event) {
      if (event.key === "Escape") arm(true);
      else if (!["Tab", "Shift", "Control", "Alt", "Meta"].includes(event.key)) arm(false);
    },
    mousedown: () => arm(false),
    blur: () => arm(false),
  });
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        escape,
        history(),
        drawSelection(),
        bracketMatching(),
        pythonLanguage,
        indentOnInput(),
        indentUnit.of("    "),
        EditorState.tabSize.of(4),
        syntaxHighlighting(pygments),
        keymap.of([indentWithTab, ...defaultKeymap, ...historyKeymap]),
        EditorView.contentAttributes.of({
          "aria-label": label,
          "aria-describedby": describedBy,
          // It can be focused without, but not everything that checks knows so.
          tabindex: "0",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    focus: () => view.focus(),
    // One step of the history, whatever was typed just before.
    set: (words) => view.dispatch({
      changes: { from: 0, to: view.state.doc.length, insert: words },
      annotations: isolateHistory.of("full"),
    }),
    close: () => view.destroy(),
  };
}
