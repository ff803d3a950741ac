"""The web page of `python -m dmgan_tf.demo`."""
