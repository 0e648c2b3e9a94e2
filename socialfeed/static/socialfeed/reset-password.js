// The page behind the link in a mail that resets a password.
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const {key} = event.target.dataset;
  const password = event.target.password.value;
  const response = await fetch("/_allauth/app/v1/auth/password/reset", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({key, password}),
  });
  // 401: nobody is logged in here, but the password is changed.
  const done = response.ok || response.status === 401;
  document.getElementById("answer").textContent = done
    ? "Your password is changed. Log in with the new one."
    : (await response.json()).detail;
});
