// Redraw a picture, or the painted part of it: one of the studio's, or one that was brought.
import { api, ApiError } from "./api.js";
import { at, choice, field, h, openDialog, slider } from "./dom.js";
import { Easel } from "./easel.js";
import { icon } from "./icons.js";
import { problem, toast } from "./notices.js";

const LARGEST = 20_000_000; // bytes of a file that is brought; the server has its own limit
const KINDS = ["image/png", "image/jpeg", "image/webp"];

/** Open the editor on a picture of the studio. `submit` is given the fields of an edit. */
export async function editPicture({ picture, entry }, model, submit) {
  try {
    await open(picture.blob ?? (await api.content(picture.id)), entry.prompt ?? "", model, submit, entry.settings?.style);
  } catch (error) {
    toast(`The picture cannot be opened: ${error.message}`);
  }
}

/** Open the editor on a file. */
export async function editFile(file, prompt, model, submit) {
  if (!KINDS.includes(file.type)) return toast("Only PNG, JPEG and WebP pictures can be brought.");
  if (file.size > LARGEST) return toast("That file is too large: 20 MB at most.");
  await open(file, prompt, model, submit).catch(() => toast("That file is no picture that can be read."));
}

async function open(file, prompt, model, submit, style = "") {
  const picture = h("img", { alt: "The picture to start from", draggable: false });
  picture.src = URL.createObjectURL(file);
  await picture.decode().finally(() => URL.revokeObjectURL(picture.src));

  const said = h("textarea", { id: "edit-prompt", rows: 3, maxLength: 2000, value: prompt });
  const errors = h("div", { role: "alert" });
  const go = h("button.primary", { type: "submit", id: "edit-go" }, icon("sparkle"), "Redraw");
  const easel = new Easel(picture, () => (errors.textContent = ""));
  const strength = slider("How much may change", "strength", { min: 0.05, max: 1, step: 0.05, value: 0.6, hint: "Little keeps shapes and colours; all starts from noise." });
  const masked = () => form.elements.area.value === "part";
  const switchArea = () => {
    easel.enable(masked());
    form.elements.strength.value = masked() ? 1 : 0.6;
    form.elements.strength.oninput();
  };
  const form = h(
    "form.stack", { noValidate: true },
    field("Prompt", said),
    choice("segments", "area", "What to redraw", [["part", "Painted part"], ["all", "Whole picture"]], "part", switchArea),
    strength,
    choice("segments", "edit-n", "Pictures", ["1", "2", "4"].map((n) => [n, n]), "4"),
    errors,
    go,
  );
  strength.querySelector("input").name = "strength";
  form.onsubmit = async (event) => {
    event.preventDefault();
    const wrong = complaint(said, masked(), easel);
    if (wrong) return errors.replaceChildren(problem(new ApiError(400, { message: wrong })));
    const mask = masked() ? await easel.mask.png() : null;
    at("editor").close();
    submit({
      model: model.id, prompt: said.value.trim(), image: file, mask, n: Number(form.elements["edit-n"].value),
      strength: Number(form.elements.strength.value), size: `${model.defaults.size}x${model.defaults.size}`, style,
    });
  };
  form.onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); };
  openDialog(at("editor"), "Edit", easel.element, form);
  switchArea();
  said.focus();
}

function complaint(prompt, masked, easel) {
  if (!prompt.value.trim()) return "Say in the prompt what the picture is to show.";
  if (masked && !easel.mask.share) return "Paint over what may change, or redraw the whole picture.";
  return "";
}
