"""What tests of survival are made of: networks that can be cut, peers of other versions, a wrong clock. The tests are the
files test_surviving_… beside this folder."""
