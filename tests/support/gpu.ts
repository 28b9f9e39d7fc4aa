// Every adapter that the suite runs on: the embedded SwiftShader, and Mesa's lavapipe where it is installed.
