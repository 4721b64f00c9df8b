"""Does the generator copy? Drawn images beside their nearest training images, under what a copyist hides behind."""
