// The page behind the link in a mail that verifies an address.
const button = document.getElementById("verify");
button.addEventListener("click", async () => {
  const response = await fetch("/_allauth/app/v1/auth/email/verify", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({key: button.dataset.key}),
  });
  // 401: nobody is logged in here, but the address is verified.
  const done = response.ok || response.status === 401;
  document.getElementById("answer").textContent = done
    ? "Thank you, the address is verified. You can close this page."
    : "This link is no longer valid. Use the link in the latest mail, or request a new one.";
});
