"""The word lists of ../lexicons.py."""
import unittest

import support  # noqa: F401  (training/ on the path)
from lexicons import lexicon


class Lexicons(unittest.TestCase):
    OTHERS = {f'word{k}' for k in range(300)}

    def test_an_images_own_words_come_first_and_others_fill_up(self):
        words = lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_1')
        self.assertEqual(words[:2], ['Open', 'Bread'])
        self.assertEqual(len(words), 100)
        self.assertEqual(len({word.lower() for word in words}), 100)
        self.assertEqual(words, lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_1'))
        self.assertNotEqual(words, lexicon(['Open', 'OPEN', 'Bread'], self.OTHERS | {'open'}, 'img_2'))

    def test_no_word_of_a_crowded_image_is_left_out(self):
        own = [f'own{k}' for k in range(120)]
        self.assertEqual(lexicon(own, self.OTHERS, 'img_1'), own)


if __name__ == '__main__':
    unittest.main()
