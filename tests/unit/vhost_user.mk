unit_TESTS += test_vhost_user test_vhost_user_bad test_vhost_user_serve
vu_front_SRC := tests/unit/vu_front.c tests/unit/ring_driver.c
test_vhost_user_SRC := tests/unit/test_vhost_user.c $(vu_front_SRC)
test_vhost_user_bad_SRC := tests/unit/test_vhost_user_bad.c $(vu_front_SRC)
test_vhost_user_serve_SRC := tests/unit/test_vhost_user_serve.c $(vu_front_SRC)
