"""An application that several processes serve, and the browsers that use it."""
