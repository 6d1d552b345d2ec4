from flask.testing import FlaskClient

from .support import SAME_ORIGIN, session_token


def test_sign_in_and_read(client: FlaskClient) -> None:
    response = client.post("/sign-in", headers=SAME_ORIGIN)
    assert session_token(response)
    assert client.get("/session").get_json()["user"]["name"] == "Ada"
