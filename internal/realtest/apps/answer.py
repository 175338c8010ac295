import os

requests = os.open("requests.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)


def application(environ, start_response):
    body = environ["wsgi.input"]
    while body.read(65536):
        pass
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    os.write(requests, f"id {request_id}\n".encode())
    start_response("204 No Content", [("X-Request-Id", request_id)])
    return []
