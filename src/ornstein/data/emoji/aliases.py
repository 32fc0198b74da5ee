"""Icon names that no rule can read, and what their pictures show (checked by eye)."""

from __future__ import annotations

# FxEmoji runs its words together and abbreviates them; the right side is an emojibase label.
_FXEMOJI = """
2hearts=two hearts; americasglobe=globe showing Americas; anguish=anguished face; aok=OK hand
anticlockwiseupwardsanddownwardsarrows=counterclockwise arrows button
asiaaustraliaglobe=globe showing Asia-Australia; banknotedollar=dollar banknote
banknoteeuro=euro banknote; banknotepound=pound banknote; banknoteyen=yen banknote
backwithleftwardsarrow=BACK arrow; blackquestionmark=red question mark; blonde=person: blond hair
bookmarktab=bookmark tabs; bouquetofflowers=bouquet; bowing=person bowing; bullhorn=loudspeaker
bunny=rabbit face; bunnyside=rabbit; catside=cat; cellphone=mobile phone
chartdownwardstrend=chart decreasing; chartupwardstrend=chart increasing
chartupwardstrendyen=chart increasing with yen; chilipepper=hot pepper; chineseflag=flag: China
clamshellmobile=mobile phone with arrow; closedmailboxlowered=closed mailbox with lowered flag
closedmailboxraised=closed mailbox with raised flag; confetti=confetti ball; construct=construction worker
crying=crying face; devilhorns=smiling face with horns; diamondshapewithdotinside=diamond with a dot
dissapointedrelief=sad but relieved face; dogside=dog; doubleexclaimationmark=double exclamation mark
dragonhead=dragon face; dragonside=dragon; eightspokedasterix=eight-spoked asterisk
endwithleftwardsarrow=END arrow; europeafricaglobe=globe showing Europe-Africa; evergreen=evergreen tree
exclaimationquestionmark=exclamation question mark; fallingleaf=fallen leaf
fishcakeswirl=fish cake with swirl
fistedhand=oncoming fist; flexbicep=flexed biceps; forkknife=fork and knife; foxcrying=crying fox face
foxgrin=grinning fox face; foxheart=smiling fox face with heart-eyes; foxkissing=kissing fox face
foxpouting=pouting fox face; foxsmiling=smiling fox face; foxtearofjoy=fox face with tears of joy
foxweary=weary fox face; foxwry=wry fox face; franceflag=flag: France
frontfacingchick=front-facing baby chick
frown=person frowning; frownmouth=frowning face with open mouth; girlgirl=women holding hands
girlguy=woman and man holding hands; gma=old woman; gpa=old man; greatbritainflag=flag: United Kingdom
grineyes=grinning face with smiling eyes; grinsquint=grinning squinting face
grinsweat=grinning face with sweat
grintears=face with tears of joy; grinwide=grinning face with big eyes; guapimao=person with skullcap
guyguy=men holding hands; hampster=hamster; hands=open hands; handup=person raising hand
headmassage=person getting massage; heartarrow=heart with arrow; heartblue=blue heart; heartgreen=green heart
heartpurple=purple heart; heartyellow=yellow heart; heels=high-heeled shoe; high5=raising hands
highspeedtrainbulletnose=bullet train; index=index pointing up; italianflag=flag: Italy; japanflag=flag: Japan
japaneseangrymask=ogre; kissclosedeyes=kissing face with closed eyes; kisseyes=kissing face
koreaflag=flag: South Korea; leaffluttering=leaf fluttering in wind; left=backhand index pointing left
leopardside=leopard; lockandkey=locked with key; loudlycrying=loudly crying face; makeupbag=clutch bag
manltepiececlock=mantelpiece clock; mansshirt=t-shirt; mensrunner=running shoe; mensshoe=man's shoe
meridianglobe=globe with meridians; monkeyhear=hear-no-evil monkey; monkeysee=see-no-evil monkey
monkeyspeak=speak-no-evil monkey; mouseside=mouse; negativesquaredlatincaptiala=A button (blood type)
negativesquaredlatincaptialb=B button (blood type); negativesquaredlatincaptialo=O button (blood type)
nogesture=person gesturing NO; nooneunder18symbol=no one under eighteen
notebookdecorativecover=notebook with decorative cover; okgesture=person gesturing OK
openmailboxlowered=open mailbox with lowered flag; openmailboxraised=open mailbox with raised flag
outbox=outbox tray; perservere=persevering face; phonerightarrowleft=mobile phone with arrow; pigside=pig
pigsnout=pig nose; present=wrapped gift; raisedhandsfingerssplayed=hand with fingers splayed
reminder=reminder ribbon; right=backhand index pointing right
rightmagnifyingglass=magnifying glass tilted right
leftmagnifyingglass=magnifying glass tilted left; russianflag=flag: Russia; saggitarius=Sagittarius
screamfear=face screaming in fear; silhouetteohjapan=map of Japan; sleuthspy=detective
smallfrown=slightly frowning face; smallsmile=slightly smiling face; smileeyes=smiling face with smiling eyes
smiletongue=face savoring food; snowmountains=snow-capped mountain; soonwithrightarrow=SOON arrow
spanishflag=flag: Spain; speakercancellation=muted speaker; speaker3soundwaves=speaker high volume
speakeronesoundwave=speaker medium volume; spurtingwhale=spouting whale; squaredup=UP! button
stormcloud=cloud with lightning; studiomic=studio microphone; sunrays=sun; sweatsplash=sweat droplets
tennisball=tennis; thoughtbaloon=thought balloon; tigerside=tiger; tongueoutwink=winking face with tongue
tongueoutwink2=squinting face with tongue; topwithupwardsarrow=TOP arrow; toykotower=Tokyo tower
turban=person wearing turban; videocasette=videocassette; waitress=person tipping hand
waningbibbousmoon=waning gibbous moon; waving=waving hand; whiteexclaimationmark=white exclamation mark
whitestar=star; winking=winking face; womansshirt=woman's clothes
uppointingsmallredtrisngle=red triangle pointed up
downpointingsmallredtrisngle=red triangle pointed down; bow=ribbon; up=backhand index pointing up
down=backhand index pointing down; couple=couple with heart; pouting=enraged face; wave=water wave
whitemediumstar=white star; grin=grinning face; pistol=revolver
pout=person pouting; icecream=ice cream
"""

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _fxemoji() -> dict[str, str]:
    pairs = (entry.split("=") for line in _FXEMOJI.strip().splitlines() for entry in line.split(";"))
    table = {name.strip(): label.strip() for name, label in pairs}
    for hour, word in enumerate(_WORDS, start=1):
        table[f"clock{hour}oclock"] = f"{word} o'clock"
        table[f"clock{hour}thirty"] = f"{word}-thirty"
    return table


# By the prefix of the set; a name that ends in a number is also looked up without it.
ALIASES: dict[str, dict[str, str]] = {
    "fxemoji": _fxemoji(),
    "streamline-emojis": {
        "2": "hatching chick",
        "turkey": "flag: Türkiye",
        "crazy-face": "zany face",
        "champagne-glass": "glass of champagne",
        "gesturing-ok": "person gesturing OK",
        "game-dice": "game die",
        "red-wine-glass": "wine glass",
        "pistol": "revolver",
    },
    "noto-v1": {"pistol": "revolver"},
    "emojione": {
        "pistol": "revolver",
        "flag-for-cocos-islands": "flag: Cocos (Keeling) Islands",
        "flag-for-myanmar": "flag: Myanmar (Burma)",
    },
}
