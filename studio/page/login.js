// Logs in without leaving the page, so that a wrong token is told beside its field. Without scripts the form does it.

const form = document.getElementById("login");
const trouble = document.getElementById("login-trouble");

async function lineOf(answer) {
  try {
    return (await answer.json()).error.line;
  } catch {
    return `not let in (HTTP ${answer.status})`;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("/login", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    trouble.textContent = await lineOf(answer);
    form.elements.token.select();
  } catch {
    trouble.textContent = "the studio does not answer: is it running?";
  }
  button.disabled = false;
});
